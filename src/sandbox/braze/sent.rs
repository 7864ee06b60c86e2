//! What the stand-in records of what it took.

use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// One message to one person that was taken for sending.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// When the request arrived, by the stand-in's clock.
    pub at: Timestamp,
    /// The number of the request that it came with; a batch shares it.
    pub request: u64,
    /// The id that the answer gave for the request.
    pub dispatch_id: String,
    /// Which way it was sent.
    pub way: Way,
    /// The campaign or the Canvas; empty for a message that counts for none.
    pub campaign_id: String,
    /// The subscription group that the request names; empty where it names none.
    pub group_id: String,
    /// Whom it is for.
    pub recipient: Recipient,
    /// The trigger properties or the context: those of the request, overlaid with the recipient's own. Of a message whose
    /// content came with the request, its `message`.
    pub properties: Map<String, Value>,
    /// The profile attributes that came along; empty where none did.
    pub attributes: Map<String, Value>,
    /// The body of the request.
    pub raw: Bytes,
}

/// The endpoint that a message was sent through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `/campaigns/trigger/send`.
    Campaign,
    /// `/canvas/trigger/send`.
    Canvas,
    /// `/messages/send`.
    Message(MessageKind),
}

/// What a WhatsApp message is, by its `message_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// `text_response_message`.
    Text,
    /// `text_image_response_message`.
    Image,
    /// `quick_reply_response_message`.
    QuickReply,
    /// `list_response_message`.
    List,
    /// `flow_response_message`.
    Flow,
    /// `carousel_response_message`.
    Carousel,
    /// `template_message`: the one that needs no open window.
    Template,
}

impl MessageKind {
    const ALL: [(&'static str, Self); 7] = [
        ("text_response_message", Self::Text),
        ("text_image_response_message", Self::Image),
        ("quick_reply_response_message", Self::QuickReply),
        ("list_response_message", Self::List),
        ("flow_response_message", Self::Flow),
        ("carousel_response_message", Self::Carousel),
        ("template_message", Self::Template),
    ];

    /// Finds the kind by its name in requests.
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, kind)| kind)
    }
}

/// Whom a request names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    /// A profile by its external id.
    ExternalUserId(String),
    /// A profile by one of its aliases.
    UserAlias {
        /// The alias.
        name: String,
        /// What kind of alias it is.
        label: String,
    },
    /// The profiles with an e-mail address.
    Email(String),
    /// A profile by Braze's own id; in `/users/track` alone.
    BrazeId(String),
    /// The profiles with a phone number; in `/users/track` and for subscriptions alone.
    Phone(String),
}

impl Recipient {
    /// Gives the alias that Braze gives to a number that it does not know.
    pub fn phone_alias(phone: &str) -> Self {
        Self::UserAlias {
            name: phone.to_owned(),
            label: "phone".to_owned(),
        }
    }

    /// Gives the name of the field that it came in.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ExternalUserId(_) => "external_user_id",
            Self::UserAlias { .. } => "user_alias",
            Self::Email(_) => "email",
            Self::BrazeId(_) => "braze_id",
            Self::Phone(_) => "phone",
        }
    }

    /// Gives the id, the alias, the address or the number.
    pub fn value(&self) -> &str {
        match self {
            Self::ExternalUserId(value)
            | Self::UserAlias { name: value, .. }
            | Self::Email(value)
            | Self::BrazeId(value)
            | Self::Phone(value) => value,
        }
    }
}

impl Sent {
    /// Gives the text of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name)?.as_str()
    }

    /// Gives the words: the first property that is text, or what a message's content says; empty where there are none.
    pub fn text(&self) -> &str {
        if matches!(self.way, Way::Message(_)) {
            let mut names = ["body", "caption", "image_uri", "template_name"].into_iter();
            return names
                .find_map(|name| self.property(name))
                .unwrap_or_default();
        }
        let mut texts = self
            .properties
            .iter()
            .filter(|(name, _)| !name.ends_with("_id"));
        texts
            .find_map(|(_, value)| value.as_str())
            .unwrap_or_default()
    }

    /// Gives what there is to tap on: the labels of buttons, the titles of rows.
    pub fn choices(&self) -> Vec<String> {
        let label = |item: &Value, name: &str| item.get(name)?.as_str().map(str::to_owned);
        let listed = |value: Option<&Value>| value.and_then(Value::as_array).cloned();
        let buttons = listed(self.properties.get("buttons")).unwrap_or_default();
        let sections = self
            .properties
            .get("list")
            .and_then(|list| list.get("list_sections"));
        let sections = listed(sections).unwrap_or_default();
        let rows = sections
            .iter()
            .filter_map(|section| listed(section.get("list_rows")));
        let buttons = buttons.iter().filter_map(|button| label(button, "text"));
        buttons
            .chain(rows.flatten().filter_map(|row| label(&row, "row_title")))
            .collect()
    }
}

/// One object that was taken by `/users/track`, or one person's new subscription state.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracked {
    /// When the request arrived, by the stand-in's clock.
    pub at: Timestamp,
    /// The number of the request that it came with.
    pub request: u64,
    /// Which list it stood in.
    pub kind: TrackedKind,
    /// Whom it is about.
    pub user: Recipient,
    /// The object.
    pub fields: Map<String, Value>,
}

/// What an object of `/users/track` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackedKind {
    /// Of `attributes`: what is to be known of a person.
    Attributes,
    /// Of `events`: what a person did.
    Event,
    /// Of `purchases`.
    Purchase,
}
