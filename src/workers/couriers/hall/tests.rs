use super::*;
use crate::domain::{
    Conversation, ConversationId, Customer, Owner, Payload, Priority, Profile, new_id,
};
use crate::redact::Private;

fn now() -> Timestamp {
    Timestamp::from_second(2_000_000_000).unwrap()
}

fn delivery(assistant: &str, customer: &str, priority: Priority) -> Delivery {
    Delivery {
        id: DeliveryId(new_id(now())),
        conversation: Conversation {
            id: ConversationId(new_id(now())),
            assistant: assistant.to_owned(),
            customer: Customer::new(Some(customer.to_owned()), None, None).unwrap(),
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
        payload: Payload::Reply {
            text: customer.into(),
        },
        priority,
        attempts: 0,
        expires_at: Timestamp::MAX,
        created_at: now(),
        possible_duplicate: false,
        attributes: Private::default(),
    }
}

fn hall(deliveries: Vec<Delivery>) -> Hall {
    let mut hall = Hall::default();
    hall.enter(deliveries, now());
    hall
}

/// Lets everybody leave, in requests of up to `seats`, and gives the customers of each.
fn trips(hall: &mut Hall, seats: usize) -> Vec<Vec<String>> {
    let name = |one: &Waiting| {
        one.delivery
            .conversation
            .customer
            .external_id()
            .unwrap()
            .0
            .clone()
    };
    let mut trips = Vec::new();
    while let Some(next) = hall.next().map(|delivery| delivery.id) {
        let first = hall.take(next).unwrap();
        let company = hall.company(&first, |_| seats, |_| true);
        trips.push(std::iter::once(&first).chain(&company).map(name).collect());
    }
    trips
}

#[test]
fn what_need_not_wait_rides_alone_and_what_must_rides_together() {
    let all = ["a", "b", "c"].map(|customer| delivery("support", customer, Priority::Assistant));
    assert_eq!(trips(&mut hall(all.to_vec()), 50), [["a"], ["b"], ["c"]]);
    let mut held = hall(all.to_vec());
    held.held_up();
    held.enter(
        vec![delivery("support", "late", Priority::Assistant)],
        now(),
    );
    assert_eq!(trips(&mut held, 50), [vec!["a", "b", "c"], vec!["late"]]);
    let mut few = hall(all.to_vec());
    few.held_up();
    assert_eq!(trips(&mut few, 2), [vec!["a", "b"], vec!["c"]]);
}

#[test]
fn a_customer_rides_once_and_an_assistant_by_itself() {
    let mut hall = hall(vec![
        delivery("support", "a", Priority::Assistant),
        delivery("support", "a", Priority::Assistant),
        delivery("sales", "b", Priority::Assistant),
        delivery("support", "c", Priority::Assistant),
    ]);
    hall.held_up();
    assert_eq!(trips(&mut hall, 50), [vec!["a", "c"], vec!["b"], vec!["a"]]);
}

#[test]
fn the_urgent_go_first_and_assistants_in_turns() {
    let mut hall = hall(vec![
        delivery("support", "a", Priority::Assistant),
        delivery("support", "b", Priority::Assistant),
        delivery("support", "c", Priority::Assistant),
        delivery("sales", "d", Priority::Assistant),
        delivery("sales", "e", Priority::Notice),
        delivery("sales", "f", Priority::Apology),
    ]);
    assert_eq!(
        trips(&mut hall, 1),
        [["e"], ["a"], ["d"], ["b"], ["c"], ["f"]]
    );
}

#[test]
fn who_was_refused_with_others_rides_with_fewer() {
    let mut hall =
        hall(Vec::from(["a", "b", "c", "d"].map(|customer| {
            delivery("support", customer, Priority::Assistant)
        })));
    hall.held_up();
    let first = hall.take(hall.next().unwrap().id).unwrap();
    let shy = |delivery: &Delivery| match delivery.conversation.customer.key().as_str() {
        "external:c" => 2,
        _ => 50,
    };
    let company = hall.company(&first, shy, |_| true);
    assert_eq!(company.len(), 2, "b and d; c would be one of more than two");
    assert_eq!(hall.waiting.len(), 1);
}

#[test]
fn what_is_too_old_waits_no_longer() {
    let mut old = delivery("support", "a", Priority::Assistant);
    old.expires_at = now();
    let mut hall = hall(vec![old, delivery("support", "b", Priority::Assistant)]);
    assert_eq!(hall.too_old(now()).len(), 1);
    assert_eq!((hall.room(), hall.is_empty()), (HALL - 1, false));
    assert_eq!(hall.clear().len(), 1);
    assert!(hall.is_empty());
}
