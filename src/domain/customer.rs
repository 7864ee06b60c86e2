//! Who writes, and how Braze is told whom to answer.

use crate::redact::Private;

/// A person on WhatsApp, by whatever Braze knows of him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    external_id: Option<Private<String>>,
    braze_id: Option<Private<String>>,
    phone: Option<Private<String>>,
}

/// Says that nothing was given by which the customer could be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither `user_id` nor `phone_number` names the customer, so no answer could reach him")]
pub struct NoIdentity;

/// How Braze's send endpoints name a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// `external_user_id`.
    ExternalUserId(Private<String>),
    /// `user_alias` with the label `phone`, which Braze gives to numbers that it did not know.
    PhoneAlias(Private<String>),
}

impl Customer {
    /// Takes what is known; an empty id counts as none. Refuses a customer whom no answer could reach.
    pub fn new(
        external_id: Option<String>,
        braze_id: Option<String>,
        phone: Option<String>,
    ) -> Result<Self, NoIdentity> {
        let known = |id: Option<String>| id.filter(|id| !id.is_empty()).map(Private);
        let customer = Self {
            external_id: known(external_id),
            braze_id: known(braze_id),
            phone: known(phone),
        };
        match (&customer.external_id, &customer.phone) {
            (None, None) => Err(NoIdentity),
            _ => Ok(customer),
        }
    }

    /// Gives the id that the business gave, where there is one.
    pub fn external_id(&self) -> Option<&Private<String>> {
        self.external_id.as_ref()
    }

    /// Gives the id that Braze gave, where it was sent.
    pub fn braze_id(&self) -> Option<&Private<String>> {
        self.braze_id.as_ref()
    }

    /// Gives the phone number as Braze rendered it.
    pub fn phone(&self) -> Option<&Private<String>> {
        self.phone.as_ref()
    }

    /// Gives the one name by which conversations are kept: external id, else Braze's id, else the phone's digits.
    pub fn key(&self) -> Private<String> {
        let key = match (&self.external_id, &self.braze_id, &self.phone) {
            (Some(id), _, _) => format!("external:{}", id.0),
            (None, Some(id), _) => format!("braze:{}", id.0),
            (None, None, Some(phone)) => {
                let digits = phone.chars().filter(char::is_ascii_digit);
                format!("phone:{}", digits.collect::<String>())
            }
            (None, None, None) => String::new(),
        };
        Private(key)
    }

    /// Gives the name by which Braze reaches the customer.
    pub fn recipient(&self) -> Recipient {
        match (&self.external_id, &self.phone) {
            (Some(id), _) => Recipient::ExternalUserId(id.clone()),
            (None, Some(phone)) => Recipient::PhoneAlias(phone.clone()),
            // INVARIANT: `new` refuses a customer with neither.
            (None, None) => Recipient::ExternalUserId(Private::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(external: &str, braze: &str, phone: &str) -> Result<Customer, NoIdentity> {
        let some = |id: &str| Some(id.to_owned());
        Customer::new(some(external), some(braze), some(phone))
    }

    #[test]
    fn the_best_known_id_is_the_key() {
        let key = |c: Result<Customer, NoIdentity>| c.map(|c| c.key().0);
        assert_eq!(
            key(customer("u1", "b1", "+1 555")),
            Ok("external:u1".to_owned())
        );
        assert_eq!(key(customer("", "b1", "+1 555")), Ok("braze:b1".to_owned()));
        assert_eq!(key(customer("", "", "+1 555")), Ok("phone:1555".to_owned()));
        assert_eq!(key(customer("", "b1", "")), Err(NoIdentity));
    }

    #[test]
    fn a_customer_without_external_id_is_answered_by_phone_alias() {
        let anonymous = customer("", "b1", "+1555").unwrap();
        assert_eq!(anonymous.recipient(), Recipient::PhoneAlias("+1555".into()));
    }
}
