//! Brings customers' profiles up to date with what their conversations came to. It has all the time in the world: replies go
//! another way, and changes that follow closely are written together.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{POLL, STORE_REST, Shared};
use crate::braze::{TRACK_OBJECTS, Workspace};
use crate::clock::later;
use crate::domain::{Mirrored, ProfileUpdate};

/// Runs until the stop. What is not written then is written after the next start.
pub(super) async fn run(
    shared: Shared,
    name: String,
    workspace: Arc<Workspace>,
    assistants: Vec<String>,
) {
    let name = format!("profiles {name}");
    // One request at a time, so that no later value of a profile overtakes an earlier one.
    let slots = Semaphore::new(1);
    while shared
        .room(&name, &slots, shared.shutdown.stopping())
        .await
        .is_some()
    {
        let due = shared.store.profile_updates(&assistants, TRACK_OBJECTS);
        let batch = match due.await {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(%error, "could not tell what profiles lack; trying again");
                shared.clock.sleep(STORE_REST).await;
                continue;
            }
        };
        if batch.items.is_empty() {
            // No bell is listened for: what changes within a second is written together.
            let look = later(shared.clock.now(), POLL);
            tokio::select! {
                biased;
                () = shared.shutdown.stopping() => return,
                () = shared.clock.sleep_until(look) => {}
            }
        } else {
            write(&shared, &workspace, &batch.items).await;
        }
    }
}

/// Writes updates together; where they are refused together, one by one.
async fn write(shared: &Shared, workspace: &Workspace, updates: &[ProfileUpdate]) {
    if !may_write(shared, workspace).await {
        return;
    }
    match workspace.track(updates).await {
        Some(fate) => note(shared, updates, fate).await,
        None => {
            for update in updates.chunks(1) {
                if !may_write(shared, workspace).await {
                    return;
                }
                // What stands alone is never told to stand apart.
                let fate = workspace.track(update).await;
                note(shared, update, fate.unwrap_or(Mirrored::Over)).await;
            }
        }
    }
}

/// Waits for the pace. `false` when it is time to end.
async fn may_write(shared: &Shared, workspace: &Workspace) -> bool {
    tokio::select! {
        biased;
        () = shared.shutdown.stopping() => false,
        () = workspace.may_track() => true,
    }
}

async fn note(shared: &Shared, updates: &[ProfileUpdate], fate: Mirrored) {
    shared
        .insist("noting what profiles have", || {
            shared.store.mirrored(updates, fate)
        })
        .await;
}
