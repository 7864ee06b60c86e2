//! What webhook campaigns posted, and how that went.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use tokio::sync::watch;

use super::super::Recipient;

/// Posts kept; the oldest go first.
const POSTS_MAX: usize = 100_000;

/// One webhook of one message.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    /// Its number, from 1.
    pub number: u64,
    /// When the message came.
    pub at: Timestamp,
    /// The webhook campaign.
    pub campaign_id: String,
    /// Who wrote it.
    pub person: Recipient,
    /// What was written.
    pub text: String,
    /// The id of the send, the same in each try.
    pub dispatch_id: String,
    /// Each try, oldest first.
    pub tries: Vec<Try>,
    /// What became of it.
    pub state: State,
}

/// One try of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// When it ended.
    pub at: Timestamp,
    /// The status; 598 where the host was left alone, 599 where no answer came.
    pub status: u16,
}

/// Where a webhook stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being posted.
    UnderWay,
    /// It comes again then.
    Waiting(Timestamp),
    /// It was answered with 2xx.
    Received,
    /// It was given up.
    Lost,
}

/// The posts, with a way to wait for what becomes of them.
pub(in super::super) struct Posts {
    numbers: AtomicU64,
    posts: watch::Sender<BTreeMap<u64, Post>>,
}

impl Posts {
    pub(in super::super) fn new() -> Self {
        Self {
            numbers: AtomicU64::default(),
            posts: watch::Sender::new(BTreeMap::new()),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn add(&self, post: Post) {
        self.posts.send_modify(|posts| {
            posts.insert(post.number, post);
            while posts.len() > POSTS_MAX {
                posts.pop_first();
            }
        });
    }

    /// Notes how a try ended, and what becomes of the post.
    pub(super) fn tried(&self, number: u64, tried: Try, state: State) {
        self.change(number, |post| {
            post.tries.push(tried);
            post.state = state;
        });
    }

    /// Notes that the next try begins.
    pub(super) fn goes_again(&self, number: u64) {
        self.change(number, |post| post.state = State::UnderWay);
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Post)) {
        self.posts.send_modify(|posts| {
            if let Some(post) = posts.get_mut(&number) {
                change(post);
            }
        });
    }

    pub(super) fn all(&self) -> Vec<Post> {
        self.posts.borrow().values().cloned().collect()
    }

    pub(super) async fn wait_until(&self, mut enough: impl FnMut(&BTreeMap<u64, Post>) -> bool) {
        // The sender lives in this very value, so the wait cannot end by its loss.
        let mut posts = self.posts.subscribe();
        drop(posts.wait_for(|posts| enough(posts)).await);
    }
}
