//! A small pool of reading connections, used on blocking threads so that no query holds up a connection's task.
//!
//! Takes a closure; gives its result. Waits when all connections are in use: memory and threads stay bounded (C8).

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::fault::JournalFault;
use super::settings::JournalPlace;
use super::views::Reader;

#[derive(Debug, Clone)]
pub(super) struct Readers {
    place: JournalPlace,
    idle: Arc<Mutex<Vec<Reader>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(place: JournalPlace, count: usize) -> Self {
        Self {
            place,
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(count.max(1))),
        }
    }

    /// Runs `read` on a blocking thread with a connection of its own.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, JournalFault> + Send + 'static,
    ) -> Result<T, JournalFault> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| JournalFault::Worker)?;
        let (place, idle) = (self.place.clone(), Arc::clone(&self.idle));
        let work = tokio::task::spawn_blocking(move || {
            let pooled = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let reader = match pooled {
                Some(reader) => reader,
                None => Reader::asking(&place)?,
            };
            let result = read(&reader);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            drop(permit);
            result
        });
        work.await.map_err(|_| JournalFault::Worker)?
    }
}
