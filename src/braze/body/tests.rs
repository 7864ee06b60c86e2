use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::way::{NamedSend, Way};
use super::*;
use crate::domain::{
    Conversation, ConversationId, Customer, DeliveryId, Owner, Payload, Priority, Profile, new_id,
};
use crate::fuzz;
use crate::redact::Private;

fn now() -> Timestamp {
    Timestamp::from_second(2_000_000_000).unwrap()
}

fn delivery(customer: Customer, payload: Payload) -> Delivery {
    Delivery {
        id: DeliveryId(new_id(now())),
        conversation: Conversation {
            id: ConversationId(new_id(now())),
            assistant: "support".to_owned(),
            customer,
            owner: Owner::Assistant,
            handoff: None,
            opted_out: false,
            epoch: 0,
            version: 0,
            language: None,
            profile: Profile::default(),
            opened_at: now(),
            window_expires_at: Timestamp::MAX,
            summary: None,
            pause: None,
        },
        payload,
        priority: Priority::Assistant,
        attempts: 0,
        expires_at: Timestamp::MAX,
        created_at: now(),
        possible_duplicate: false,
        attributes: Private::default(),
    }
}

fn sender() -> Sender {
    Sender {
        app_id: "app".to_owned(),
        subscription_group_id: "group".to_owned(),
    }
}

fn way() -> impl Strategy<Value = Way> {
    let (id, property) = ("id-1".to_owned(), "words".to_owned());
    prop_oneof![
        Just(Way::Campaign {
            id: id.clone(),
            property: property.clone()
        }),
        Just(Way::Canvas { id, property }),
        Just(Way::Message(sender())),
    ]
}

fn sends() -> BTreeMap<String, NamedSend> {
    BTreeMap::from([
        (
            "campaign".to_owned(),
            NamedSend::Campaign("id-1".to_owned()),
        ),
        ("canvas".to_owned(), NamedSend::Canvas("id-2".to_owned())),
        (
            "message".to_owned(),
            NamedSend::Message {
                sender: sender(),
                kind: "quick_reply_response_message".to_owned(),
                message: json!({ "body": "Which?" }),
            },
        ),
    ])
}

/// Any id, above all none and blank ones, and what looks like more of the request.
fn id() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(" ".to_owned())),
        1 => Just(Some(r#"x","broadcast":true,"y":""#.to_owned())),
        4 => "[a-z]{1,8}".prop_map(Some),
        2 => fuzz::naughty().prop_map(Some),
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    let properties = || {
        let keys = prop_oneof![Just("broadcast".to_owned()), "[a-z_]{0,9}"];
        prop::collection::hash_map(keys, fuzz::naughty(), 0..4).prop_map(|values| {
            let values = values.into_iter();
            Private(
                values
                    .map(|(key, value)| (key, Value::from(value)))
                    .collect(),
            )
        })
    };
    let name = prop_oneof![
        Just("campaign"),
        Just("canvas"),
        Just("message"),
        Just("unheard of")
    ];
    prop_oneof![
        3 => fuzz::naughty().prop_map(|text| Payload::Reply { text: text.into() }),
        2 => (name, properties()).prop_map(|(name, properties)| Payload::Send {
            name: name.to_owned(),
            said: "said".into(),
            properties,
        }),
        1 => Just(Payload::Event { name: "broadcast".to_owned(), body: "{}".into() }),
    ]
}

fn deliveries() -> impl Strategy<Value = Vec<Delivery>> {
    let one =
        (id(), id(), id(), payload()).prop_filter_map("nobody", |(id, braze, phone, payload)| {
            Some(delivery(Customer::new(id, braze, phone).ok()?, payload))
        });
    prop::collection::vec(one, 0..6)
}

/// Gives those whom a request reaches, or fails.
fn recipients(request: &Request) -> Vec<String> {
    let body = request.body.as_object().unwrap();
    let allowed = [
        "campaign_id",
        "canvas_id",
        "recipients",
        "messages",
        "external_user_ids",
        "user_aliases",
    ];
    assert!(
        body.keys().all(|key| allowed.contains(&key.as_str())),
        "{body:?}"
    );
    let list = |name: &str| body.get(name).map(|list| list.as_array().unwrap().clone());
    let named = |value: &Value| match value {
        Value::String(id) => id.clone(),
        alias => alias["alias_name"].as_str().unwrap().to_owned(),
    };
    if let Some(recipients) = list("recipients") {
        let one = |recipient: &Value| {
            let ids = [&recipient["external_user_id"], &recipient["user_alias"]];
            let given: Vec<_> = ids.into_iter().filter(|id| !id.is_null()).collect();
            assert_eq!(given.len(), 1, "{recipient}");
            named(given[0])
        };
        return recipients.iter().map(one).collect();
    }
    let lists = [list("external_user_ids"), list("user_aliases")];
    lists
        .into_iter()
        .flatten()
        .flatten()
        .map(|id| named(&id))
        .collect()
}

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn no_input_makes_a_request_that_names_nobody_or_everybody(way in way(), deliveries in deliveries()) {
        let speaker = Speaker { way, sends: sends() };
        let Some(riders) = Riders::of(&speaker, &deliveries) else {
            return Ok(());
        };
        let request = riders.request();
        let reached = recipients(&request);
        prop_assert_eq!(reached.len(), riders.count());
        prop_assert!(!reached.is_empty());
        for (reached, rider) in reached.iter().zip(riders.iter()) {
            let (Recipient::ExternalUserId(id) | Recipient::PhoneAlias(id)) =
                rider.delivery.conversation.customer.recipient();
            prop_assert!(!reached.trim().is_empty());
            prop_assert_eq!(reached, &id.0);
        }
    }
}

fn known(customer: &str) -> Customer {
    Customer::new(Some(customer.to_owned()), None, None).unwrap()
}

fn reply(customer: Customer, text: &str) -> Delivery {
    delivery(customer, Payload::Reply { text: text.into() })
}

fn body(way: Way, deliveries: &[Delivery]) -> (&'static str, Value) {
    let speaker = Speaker {
        way,
        sends: sends(),
    };
    let request = Riders::of(&speaker, deliveries).unwrap().request();
    (request.path, request.body)
}

#[test]
fn a_campaign_gets_each_customer_with_properties_of_his_own() {
    let unknown = Customer::new(None, Some("b1".to_owned()), Some("+1555".to_owned())).unwrap();
    let mut deliveries = [reply(known("ana"), "Hi Ana."), reply(unknown, "Hi.")];
    deliveries[0].attributes = Private(Map::from_iter([("lang".to_owned(), json!("es"))]));
    let way = Way::Campaign {
        id: "c1".to_owned(),
        property: "words".to_owned(),
    };
    let ids = deliveries.each_ref().map(|one| one.id.to_string());
    let expected = json!({
        "campaign_id": "c1",
        "recipients": [
            {
                "external_user_id": "ana",
                "trigger_properties": { "words": "Hi Ana.", "frontdesk_reply_id": ids[0] },
                "attributes": { "lang": "es" },
            },
            {
                "user_alias": { "alias_name": "+1555", "alias_label": "phone" },
                "trigger_properties": { "words": "Hi.", "frontdesk_reply_id": ids[1] },
            },
        ],
    });
    assert_eq!(
        body(way, &deliveries),
        ("/campaigns/trigger/send", expected)
    );
}

#[test]
fn a_canvas_gets_context() {
    let way = Way::Canvas {
        id: "v1".to_owned(),
        property: "words".to_owned(),
    };
    let deliveries = [reply(known("ana"), "Hi.")];
    let context = json!({ "words": "Hi.", "frontdesk_reply_id": deliveries[0].id.to_string() });
    let recipients = json!([{ "external_user_id": "ana", "context": context }]);
    let expected = json!({ "canvas_id": "v1", "recipients": recipients });
    assert_eq!(body(way, &deliveries), ("/canvas/trigger/send", expected));
}

#[test]
fn a_message_of_its_own_goes_to_one_customer() {
    let unknown = Customer::new(None, None, Some("+1555".to_owned())).unwrap();
    let deliveries = [reply(unknown, "Hi."), reply(known("ana"), "Hi Ana.")];
    let whats_app = json!({
        "app_id": "app",
        "subscription_group_id": "group",
        "message_type": "text_response_message",
        "message": { "body": "Hi." },
    });
    let expected = json!({
        "user_aliases": [{ "alias_name": "+1555", "alias_label": "phone" }],
        "messages": { "whats_app": whats_app },
    });
    let way = Way::Message(sender());
    assert_eq!(body(way, &deliveries), ("/messages/send", expected));
}

#[test]
fn a_named_send_has_its_own_campaign_and_rides_with_its_like_alone() {
    let send = |customer: &str, name: &str| {
        let properties = Private(Map::from_iter([("order".to_owned(), json!("A-1"))]));
        let (name, said) = (name.to_owned(), "said".into());
        let payload = Payload::Send {
            name,
            said,
            properties,
        };
        delivery(known(customer), payload)
    };
    let way = Way::Campaign {
        id: "c1".to_owned(),
        property: "words".to_owned(),
    };
    let deliveries = [
        send("ana", "canvas"),
        reply(known("bob"), "Hi."),
        send("cid", "canvas"),
    ];
    let (path, written) = body(way.clone(), &deliveries);
    assert_eq!(
        (path, &written["canvas_id"]),
        ("/canvas/trigger/send", &json!("id-2"))
    );
    assert_eq!(written["recipients"].as_array().unwrap().len(), 2);
    assert_eq!(written["recipients"][1]["context"]["order"], "A-1");
    let (path, written) = body(way, &[send("ana", "message")]);
    let whats_app = &written["messages"]["whats_app"];
    assert_eq!(
        (path, &whats_app["message"]),
        ("/messages/send", &json!({ "body": "Which?" }))
    );
    assert_eq!(whats_app["message_type"], "quick_reply_response_message");
}
