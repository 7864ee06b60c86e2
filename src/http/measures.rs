//! `GET /metrics`: what Prometheus scrapes. It asks for no secret, since there is nothing of any customer in it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::sync::Mutex;

use super::{Doors, HttpError};
use crate::metrics::{Folder, MEDIA_TYPE};

/// How long the store may take to tell what stands in it; then the rest goes without. Prometheus waits 10 s.
const STANDING_WITHIN: Duration = Duration::from_secs(5);

/// What a scrape needs.
#[derive(Debug)]
struct Scrapes {
    doors: Arc<Doors>,
    /// Held by the scrape under way: however many ask, the store is asked by one.
    turn: Mutex<()>,
}

/// Gives the route.
pub(super) fn router(doors: Arc<Doors>) -> Router {
    let scrapes = Scrapes {
        doors,
        turn: Mutex::new(()),
    };
    Router::new()
        .route("/metrics", get(scrape))
        .with_state(Arc::new(scrapes))
}

async fn scrape(State(scrapes): State<Arc<Scrapes>>) -> Result<impl IntoResponse, HttpError> {
    let _turn = scrapes.turn.lock().await;
    let doors = Arc::clone(&scrapes.doors);
    let asked = doors
        .clock
        .timeout(STANDING_WITHIN, doors.store.standing())
        .await;
    let standing = match asked {
        Ok(Ok(standing)) => Some(standing),
        Ok(Err(error)) => {
            tracing::error!(%error, "the store could not be measured");
            None
        }
        Err(_) => {
            tracing::error!("the store took too long to be measured");
            None
        }
    };
    // The kernel's own files are read, which can take a moment with very many connections.
    let written = tokio::task::spawn_blocking(move || {
        let folders = doors.assistants.iter().map(|(name, door)| {
            let reloads = door.prompts.reloads();
            Folder {
                assistant: name,
                version: door.prompts.current().version().to_owned(),
                swapped: reloads.swapped,
                refused: reloads.refused,
                is_broken: reloads.is_broken,
            }
        });
        let folders: Vec<_> = folders.collect();
        let now = doors.clock.now();
        doors.metrics.render(now, standing.as_ref(), &folders)
    });
    let text = written.await.map_err(|_| HttpError::Panicked)?;
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], text))
}
