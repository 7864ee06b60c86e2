//! What was taken and what the phone shows are two things.

use super::*;

const DAY: Duration = Duration::from_hours(24);

impl World {
    /// Sends a text through the campaign, and tells why it was withheld.
    async fn delivers(&self, person: &str, text: &str) -> Option<Withheld> {
        let body =
            one(&json!({ "external_user_id": person, "trigger_properties": { "reply": text } }));
        assert_eq!(self.send(&body).await.0, 201);
        self.braze.deliveries().pop().unwrap().withheld
    }

    /// Triggers the Canvas, and tells why it was withheld.
    async fn enters(&self, person: &str) -> Option<Withheld> {
        let body = json!({ "canvas_id": "v1", "recipients": [{ "external_user_id": person, "context": { "reply": "a" } }] });
        assert_eq!(self.post("/canvas/trigger/send", &body).await.0, 201);
        self.braze.deliveries().pop().unwrap().withheld
    }
}

fn user(id: &str) -> Recipient {
    Recipient::ExternalUserId(id.to_owned())
}

#[tokio::test]
async fn what_is_taken_shows_on_the_phone() {
    let world = World::new().await;
    assert_eq!(world.delivers("u1", "Hello").await, None);
    assert_eq!(world.braze.shown_to("u1"), ["Hello"]);
    world.braze.wait_until_delivered(|all| all.len() == 1).await;
}

#[tokio::test]
async fn without_re_eligibility_only_the_first_message_shows() {
    let world = World::new().await;
    world.braze.re_eligibility(false);
    assert_eq!(world.delivers("u1", "one").await, None);
    assert_eq!(
        world.delivers("u1", "two").await,
        Some(Withheld::NotReEligible)
    );
    assert_eq!(world.delivers("u2", "one").await, None);
    assert_eq!(world.braze.shown_to("u1"), ["one"]);
    assert_eq!(world.braze.sent_count(), 3);
}

#[tokio::test]
async fn a_canvas_takes_a_person_once_a_second() {
    let world = World::new().await;
    assert_eq!(world.enters("u1").await, None);
    world.clock.advance(Duration::from_millis(999));
    assert_eq!(world.enters("u1").await, Some(Withheld::SameSecond));
    assert_eq!(world.enters("u2").await, None);
    // A campaign has no such limit.
    assert_eq!(world.delivers("u1", "a").await, None);
    assert_eq!(world.delivers("u1", "b").await, None);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.enters("u1").await, None);
}

#[tokio::test]
async fn a_day_after_the_last_message_only_a_template_shows() {
    let world = World::new().await;
    world.braze.heard_from(&user("u1"));
    world.clock.advance(DAY);
    assert_eq!(world.delivers("u1", "in time").await, None);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(
        world.delivers("u1", "late").await,
        Some(Withheld::OutsideWindow)
    );
    assert_eq!(world.delivers("never heard of", "a").await, None);
    let template = json!({
        "external_user_ids": ["u1"],
        "messages": { "whats_app": {
            "app_id": "app", "subscription_group_id": "g1", "message_type": "template_message",
            "message": { "template_name": "t", "template_language_code": "en" },
        } },
    });
    assert_eq!(world.post("/messages/send", &template).await.0, 201);
    assert_eq!(world.braze.deliveries().pop().unwrap().withheld, None);
    world.braze.heard_from(&user("u1"));
    assert_eq!(world.delivers("u1", "again").await, None);
}

#[tokio::test]
async fn who_unsubscribed_gets_nothing_of_that_group() {
    let world = World::new().await;
    let set = async |group: &str, state: &str| {
        let body = json!({ "subscription_groups": [{
            "subscription_group_id": group, "subscription_state": state, "external_ids": ["u1"],
        }] });
        let answer = world.post("/v2/subscription/status/set", &body).await;
        assert_eq!(answer.0, 201);
    };
    set("g1", "unsubscribed").await;
    assert_eq!(
        world.delivers("u1", "a").await,
        Some(Withheld::Unsubscribed)
    );
    world.braze.use_group("g2");
    assert_eq!(world.delivers("u1", "b").await, None);
    set("g2", "unsubscribed").await;
    assert_eq!(
        world.delivers("u1", "c").await,
        Some(Withheld::Unsubscribed)
    );
    set("g2", "subscribed").await;
    assert_eq!(world.delivers("u1", "d").await, None);
    assert_eq!(world.braze.shown_to("u1"), ["b", "d"]);
}

#[tokio::test]
async fn attributes_count_before_the_message_that_they_came_with() {
    let world = World::new().await;
    let leaving = json!([{ "subscription_group_id": "g1", "subscription_state": "unsubscribed" }]);
    let body = one(&json!({
        "external_user_id": "u1", "trigger_properties": { "reply": "Goodbye" },
        "attributes": { "subscription_groups": leaving, "chat": "over" },
    }));
    assert_eq!(world.send(&body).await.0, 201);
    let withheld = world.braze.deliveries().pop().unwrap().withheld;
    assert_eq!(withheld, Some(Withheld::Unsubscribed));
    let profile = world.braze.profile(&user("u1")).unwrap();
    assert_eq!(profile.attributes["chat"], "over");
}

#[tokio::test]
async fn who_does_not_exist_gets_nothing() {
    let world = World::new().await;
    world.braze.know_people([user("u1")]);
    assert_eq!(world.delivers("u1", "a").await, None);
    assert_eq!(world.delivers("u2", "a").await, Some(Withheld::UnknownUser));
}

#[tokio::test]
async fn the_alias_of_a_number_is_whose_the_number_is() {
    let world = World::new().await;
    world.braze.has_phone(&user("u1"), "+15550100");
    world.braze.heard_from(&user("u1"));
    world.clock.advance(DAY + Duration::from_secs(1));
    let alias = json!({ "alias_name": "+15550100", "alias_label": "phone" });
    let body = one(&json!({ "user_alias": alias, "trigger_properties": { "reply": "a" } }));
    assert_eq!(world.send(&body).await.0, 201);
    let withheld = world.braze.deliveries().pop().unwrap().withheld;
    assert_eq!(withheld, Some(Withheld::OutsideWindow));
}

#[tokio::test]
async fn a_paused_campaign_says_so_and_sends_nothing() {
    let world = World::new().await;
    world.braze.pause_campaign("c1");
    let (status, answer) = world.send(&good()).await;
    assert_eq!((status, answer["notice"].is_string()), (201, true));
    let withheld = world.braze.deliveries().pop().unwrap().withheld;
    assert_eq!(withheld, Some(Withheld::Paused));
}

#[tokio::test]
async fn deliveries_are_told_over_http() {
    let world = World::new().await;
    world.braze.re_eligibility(false);
    world.delivers("u1", "one").await;
    world.delivers("u1", "two").await;
    let url = format!("{}/_sandbox/deliveries", world.braze.url());
    let (status, told) = read(world.client.get(url)).await;
    assert_eq!(status, 200);
    let told = |place: usize, field: &str| told["deliveries"][place][field].clone();
    assert_eq!(
        (told(0, "text"), told(0, "withheld")),
        (json!("one"), Value::Null)
    );
    assert_eq!(told(1, "recipient"), json!({ "external_user_id": "u1" }));
    assert!(
        told(1, "withheld")
            .as_str()
            .unwrap()
            .contains("re-eligible")
    );
}

#[tokio::test]
async fn whatsapp_limits_what_one_person_gets() {
    let world = World::new().await;
    world.braze.limit_pairs(2, Duration::from_secs(6));
    assert_eq!(world.delivers("u1", "a").await, None);
    assert_eq!(world.delivers("u1", "b").await, None);
    assert_eq!(world.delivers("u1", "c").await, Some(Withheld::PairLimit));
    assert_eq!(world.delivers("u2", "a").await, None);
    world.clock.advance(Duration::from_secs(6));
    assert_eq!(world.delivers("u1", "d").await, None);
}

#[tokio::test]
async fn a_campaign_s_body_is_rendered() {
    let world = World::new().await;
    let body = "{{ api_trigger_properties.${reply} | default: 'Hm' }} *{{api_trigger_properties.${order}.items[1]}}*";
    world.braze.compose("c1", body).unwrap();
    world.braze.compose("v1", "{{context.${reply}}}!").unwrap();
    world.braze.compose("c2", "{{{context}}}").unwrap_err();
    let send = one(&json!({
        "external_user_id": "u1",
        "trigger_properties": { "reply": "See", "order": { "items": ["a", "b"] } },
    }));
    assert_eq!(world.send(&send).await.0, 201);
    assert_eq!(world.enters("u1").await, None);
    assert_eq!(world.braze.shown_to("u1"), ["See *b*", "a!"]);
    let other = "{{api_trigger_properties.${other}}}";
    world.braze.compose("c1", other).unwrap();
    assert_eq!(world.delivers("u1", "a").await, Some(Withheld::Blank));
}
