//! Activity: what pot was asked to do, as syslog has it. The lines are read here, in the unprivileged process, on
//! descriptors that the executor opened.

mod counts;
mod destroyed;
mod entries;
mod export;
mod filters;
mod follow;
mod page;
mod reading;
mod spells;

pub(in crate::web) use destroyed::{Destroyed, destroyed};
pub(in crate::web) use spells::{Seen, Spells, spells};

use actix_web::web;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// The routes of this folder. All of them are for those who are signed in.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/activity", web::get().to(page::show))
        .route("/activity/counts", web::get().to(counts::counts))
        .route("/activity/events", web::get().to(follow::events))
        .route("/activity/export", web::get().to(export::export));
}

/// An answer in the making. One that ends without being `complete` breaks off, so that nobody takes it for all.
fn chunks(
    receiver: mpsc::Receiver<Bytes>,
    complete: Arc<AtomicBool>,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::unfold((receiver, complete), |(mut receiver, complete)| async move {
        match receiver.recv().await {
            Some(chunk) => Some((Ok(chunk), (receiver, complete))),
            None if complete.swap(true, Ordering::Relaxed) => None,
            None => Some((Err(std::io::Error::other("the answer ended early")), (receiver, complete))),
        }
    })
}
