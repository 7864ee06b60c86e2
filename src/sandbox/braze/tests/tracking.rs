//! What `/users/track` and the subscriptions take, object by object.

use super::*;

async fn refused(world: &World, path: &str, body: &Value, says: &str) {
    let (status, answer) = world.post(path, body).await;
    assert_eq!(status, 400, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains(says), "{message}");
    assert_eq!(world.braze.tracked_count(), 0);
}

#[tokio::test]
async fn what_is_tracked_is_known_of_the_person() {
    let world = World::new().await;
    let body = json!({
        "attributes": [
            { "external_id": "u1", "chat_owner": "human", "turns": { "inc": 2 }, "_update_existing_only": true },
            { "external_id": "u1", "subscription_groups": [{ "subscription_group_id": "g1", "subscription_state": "subscribed" }] },
        ],
        "events": [
            { "external_id": "u1", "name": "handoff", "time": "2026-03-02T09:00:00Z", "properties": { "reason": "asked" } },
        ],
    });
    let (status, answer) = world.post("/users/track", &body).await;
    assert_eq!(status, 201);
    assert_eq!(
        answer,
        json!({ "message": "success", "attributes_processed": 2, "events_processed": 1 })
    );
    let user = Recipient::ExternalUserId("u1".to_owned());
    let profile = world.braze.profile(&user).unwrap();
    assert_eq!(
        Value::Object(profile.attributes),
        json!({ "chat_owner": "human", "turns": 2 })
    );
    assert_eq!(profile.groups["g1"], "subscribed");
    assert_eq!(profile.events, ["handoff"]);
    let tracked = world.braze.tracked();
    let kinds: Vec<_> = tracked.iter().map(|tracked| tracked.kind).collect();
    assert_eq!(
        kinds,
        [
            TrackedKind::Attributes,
            TrackedKind::Attributes,
            TrackedKind::Event
        ]
    );
    world.braze.wait_for_tracked(3).await;
}

#[tokio::test]
async fn what_is_for_those_who_exist_makes_nobody() {
    let world = World::new().await;
    let user = |id: &str| Recipient::ExternalUserId(id.to_owned());
    world.braze.know_people([user("u1")]);
    for (id, existing_only, exists) in
        [("u1", true, true), ("u2", true, false), ("u3", false, true)]
    {
        let body = json!({ "attributes": [{ "external_id": id, "a": 1, "_update_existing_only": existing_only }] });
        assert_eq!(world.post("/users/track", &body).await.0, 201);
        assert_eq!(world.braze.profile(&user(id)).is_some(), exists, "{id}");
    }
}

#[rstest]
#[case::nobody("attributes", json!({ "a": 1 }), "is required")]
#[case::blocked("attributes", json!({ "external_id": "blocked", "a": 1 }), "BLACKLISTED_EXTERNAL_USER_ID")]
#[case::long_id("attributes", json!({ "external_id": "x".repeat(988) }), "EXTERNAL_USER_ID_TOO_LARGE")]
#[case::email("attributes", json!({ "external_id": "u", "email": "nobody" }), "EMAIL_BAD_FORMAT")]
#[case::groups_text("attributes", json!({ "external_id": "u", "subscription_groups": "g" }), "BAD_SUBSCRIPTION_GROUP_ARRAY")]
#[case::group_text("attributes", json!({ "external_id": "u", "subscription_groups": ["g"] }), "BAD_SUBSCRIPTION_GROUP_HASH")]
#[case::group_id("attributes", json!({ "external_id": "u", "subscription_groups": [{ "subscription_state": "subscribed" }] }), "BAD_SUBSCRIPTION_GROUP_ID")]
#[case::group_state("attributes", json!({ "external_id": "u", "subscription_groups": [{ "subscription_group_id": "g", "subscription_state": "out" }] }), "BAD_SUBSCRIPTION_GROUP_STATE")]
#[case::long_value("attributes", json!({ "external_id": "u", "a": "x".repeat(256) }), "255")]
#[case::long_name("attributes", json!({ "external_id": "u", "x".repeat(256): 1 }), "255")]
#[case::long_list("attributes", json!({ "external_id": "u", "a": vec![0; 26] }), "25 items")]
#[case::nested("attributes", json!({ "external_id": "u", "a": { "b": "x".repeat(256) } }), "255")]
#[case::no_step("attributes", json!({ "external_id": "u", "a": { "inc": "1" } }), "counted up")]
#[case::text("attributes", json!("u"), "object")]
#[case::no_event_name("events", json!({ "external_id": "u", "time": "2026-03-02T09:00:00Z" }), "`name`")]
#[case::no_event_time("events", json!({ "external_id": "u", "name": "e" }), "`time`")]
#[case::bad_event_time("events", json!({ "external_id": "u", "name": "e", "time": "yesterday" }), "ISO 8601")]
#[case::property_dollar("events", json!({ "external_id": "u", "name": "e", "time": "2026-03-02T09:00:00Z", "properties": { "$a": 1 } }), "`$`")]
#[case::property_time("events", json!({ "external_id": "u", "name": "e", "time": "2026-03-02T09:00:00Z", "properties": { "time": 1 } }), "`time`")]
#[case::purchase("purchases", json!({ "external_id": "u", "product_id": "p" }), "`currency`")]
#[tokio::test]
async fn one_bad_object_spoils_no_other(
    #[case] list: &str,
    #[case] bad: Value,
    #[case] says: &str,
) {
    let world = World::new().await;
    world.braze.block("blocked");
    let mut body = json!({ "attributes": [{ "external_id": "u0", "a": 1 }] });
    body[list] = match list {
        "attributes" => json!([{ "external_id": "u0", "a": 1 }, bad]),
        _ => json!([bad]),
    };
    let (status, answer) = world.post("/users/track", &body).await;
    assert_eq!((status, &answer["attributes_processed"]), (201, &json!(1)));
    let error = &answer["errors"][0];
    let index = i32::from(list == "attributes");
    assert_eq!(
        (&error["input_array"], &error["index"]),
        (&json!(list), &json!(index))
    );
    assert!(error["type"].as_str().unwrap().contains(says), "{error}");
    assert_eq!(world.braze.tracked_count(), 1);
}

#[tokio::test]
async fn seventy_five_objects_are_taken_and_no_more() {
    let world = World::new().await;
    let body = |attributes: usize, events: usize| {
        let event = json!({ "external_id": "u", "name": "e", "time": "2026-03-02T09:00:00Z" });
        json!({
            "attributes": vec![json!({ "external_id": "u", "a": 1 }); attributes],
            "events": vec![event; events],
        })
    };
    let too_many = "Max Input Length Exceeded";
    refused(&world, "/users/track", &body(50, 26), too_many).await;
    refused(&world, "/users/track", &body(0, 0), "Valid data").await;
    assert_eq!(world.post("/users/track", &body(50, 25)).await.0, 201);
}

#[tokio::test]
async fn a_subscription_is_set_for_the_people_named() {
    let world = World::new().await;
    let body = json!({ "subscription_groups": [{
        "subscription_group_id": "g1", "subscription_state": "unsubscribed",
        "external_ids": ["u1"], "phones": ["+15550100"],
    }] });
    let answer = world.post("/v2/subscription/status/set", &body).await;
    assert_eq!(answer, (201, json!({ "message": "success" })));
    for person in [
        Recipient::ExternalUserId("u1".to_owned()),
        Recipient::Phone("+15550100".to_owned()),
        // The profile that Braze makes for a number that it does not know.
        Recipient::phone_alias("+15550100"),
    ] {
        let profile = world.braze.profile(&person).unwrap();
        assert_eq!(profile.groups["g1"], "unsubscribed", "{person:?}");
    }
}

#[rstest]
#[case::nothing(json!({}), "must not be empty")]
#[case::nobody(json!({ "subscription_groups": [{ "subscription_group_id": "g", "subscription_state": "subscribed" }] }), "is required")]
#[case::state(json!({ "subscription_groups": [{ "subscription_group_id": "g", "subscription_state": "out", "external_ids": ["u"] }] }), "subscription_state")]
#[case::group(json!({ "subscription_groups": [{ "subscription_state": "subscribed", "external_ids": ["u"] }] }), "subscription_group_id")]
#[case::phone(json!({ "subscription_groups": [{ "subscription_group_id": "g", "subscription_state": "subscribed", "phones": ["0100"] }] }), "E.164")]
#[case::old_name(json!({ "subscription_groups": [{ "subscription_group_id": "g", "subscription_state": "subscribed", "external_id": ["u"] }] }), "`external_id`")]
#[case::too_many(json!({ "subscription_groups": [{ "subscription_group_id": "g", "subscription_state": "subscribed", "external_ids": (0..51).map(|n| n.to_string()).collect::<Vec<_>>() }] }), "max number")]
#[tokio::test]
async fn what_no_subscription_can_be_is_refused(#[case] body: Value, #[case] says: &str) {
    let world = World::new().await;
    refused(&world, "/v2/subscription/status/set", &body, says).await;
}
