//! Braze takes a reply and never says so.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use rstest::rstest;

use super::load::writes;
use super::yard::Yard;
use crate::world::soon;

/// What a request to Braze may take by default, and a little more.
const TIMEOUT: Duration = Duration::from_secs(21);

/// What the gateway waits before it sends again what may have arrived, and a little more.
const RESENT_WITHIN: Duration = Duration::from_secs(11);

#[rstest]
#[case::resend_once("resend_once", 2, "sent", "replied")]
#[case::hold("hold", 1, "held", "failed(delivery_unknown)")]
#[case::drop("drop", 1, "dead", "failed(delivery_unknown)")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_without_answer_goes_as_often_as_the_policy_says_and_is_marked(
    #[case] policy: &str,
    #[case] arrivals: u64,
    #[case] state: &str,
    #[case] outcome: &str,
) {
    let yard = Yard::shimmed(&format!("[reply]\non_unknown = \"{policy}\"")).await;
    yard.braze.misbehave(Plan::hang().taken().times(1));
    let gateway = yard.serve().await;
    writes(&gateway.phone(), 1, "word-1-0").await.unwrap();
    soon(yard.braze.wait_for_sent(1)).await;
    yard.shim.pass(TIMEOUT);
    let doubted = "SELECT possible_duplicate FROM delivery";
    yard.comes_to(doubted, "1").await;
    yard.shim.pass(RESENT_WITHIN);
    yard.drained().await;
    gateway.stops().await;
    assert_eq!(yard.braze.sent_count(), arrivals);
    assert_eq!(
        yard.row("SELECT state || ' ' || possible_duplicate FROM delivery"),
        format!("{state} 1")
    );
    assert_eq!(
        yard.row("SELECT outcome FROM message WHERE author = 'customer'"),
        outcome
    );
}
