//! Lists among a million rows: no filter makes the database look at all of them.

use rusqlite::Connection;

use super::super::super::{ConversationFilter, DeliveryFilter, DeliveryState, Part};
use super::super::open::open_writer;
use super::{conversations, deliveries};
use crate::domain::{ConversationId, Lane, Owner};

/// Fails if a statement would read a whole table, or sort. Tells whether it goes by an index beside the table's own order.
fn goes_by_index(connection: &Connection, sql: &str) -> bool {
    let mut plan = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap();
    let values = vec![rusqlite::types::Value::Null; plan.parameter_count()];
    let steps: Vec<String> = plan
        .query_map(rusqlite::params_from_iter(values), |row| row.get(3))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for step in &steps {
        let is_slow =
            step.contains("TEMP B-TREE") || step.starts_with("SCAN") && !step.contains("USING");
        assert!(!is_slow, "{step}: {sql}");
    }
    steps[0].contains("INDEX") && !steps[0].contains("INTEGER PRIMARY KEY")
}

const PART: Part = Part {
    before: Some(7),
    limit: 5,
};

/// Gives a value, and none.
fn either<T>(value: T) -> [Option<T>; 2] {
    [Some(value), None]
}

#[test]
fn no_list_of_conversations_reads_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let connection = open_writer(&folder.path().join("x.db")).unwrap();
    let owners = [
        Some(Owner::Assistant),
        Some(Owner::Pending),
        Some(Owner::Human),
        None,
    ];
    let yes_or_no = [Some(true), Some(false), None];
    for assistant in either("support".to_owned()) {
        for owner in owners {
            for external_id in either("ana".into()) {
                for phone in either("+1555".into()) {
                    for (waiting, opted_out) in yes_or_no
                        .iter()
                        .flat_map(|w| yes_or_no.iter().map(|o| (*w, *o)))
                    {
                        let filter = ConversationFilter {
                            assistant: assistant.clone(),
                            owner,
                            external_id: external_id.clone(),
                            phone: phone.clone(),
                            waiting,
                            opted_out,
                        };
                        let is_rare = assistant.is_some()
                            || external_id.is_some()
                            || phone.is_some()
                            || opted_out == Some(true)
                            || matches!(owner, Some(Owner::Pending | Owner::Human));
                        let (sql, _) = conversations::statement(&filter, PART);
                        assert_eq!(goes_by_index(&connection, &sql), is_rare, "{sql}");
                        let page = conversations::list(&connection, &filter, PART).unwrap();
                        assert_eq!(page.items.len(), 0);
                    }
                }
            }
        }
    }
}

#[test]
fn no_list_of_deliveries_reads_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let connection = open_writer(&folder.path().join("x.db")).unwrap();
    let states = DeliveryState::ALL.map(Some).into_iter().chain([None]);
    for state in states {
        for lane in [Some(Lane::Braze), Some(Lane::Desk), None] {
            for assistant in either("support".to_owned()) {
                for conversation in either(ConversationId(uuid::Uuid::nil())) {
                    for possible_duplicate in [Some(true), Some(false), None] {
                        let filter = DeliveryFilter {
                            state,
                            lane,
                            assistant: assistant.clone(),
                            conversation,
                            possible_duplicate,
                        };
                        let is_rare = assistant.is_some()
                            || conversation.is_some()
                            || possible_duplicate == Some(true)
                            || lane == Some(Lane::Desk)
                            || !matches!(state, Some(DeliveryState::Sent) | None);
                        let (sql, _) = deliveries::statement(&filter, PART);
                        assert_eq!(goes_by_index(&connection, &sql), is_rare, "{sql}");
                        let page = deliveries::list(&connection, &filter, PART).unwrap();
                        assert_eq!(page.items.len(), 0);
                    }
                }
            }
        }
    }
}
