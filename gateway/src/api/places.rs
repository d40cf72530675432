//! How many requests are in at once: in all, and of one caller.
//!
//! Takes the id of a partner or officer that a certificate proved; gives a place until its answer has been sent. Refuses what is beyond the whole, and
//! beyond a caller's share of it, so that one caller whose requests never end leaves room for the others.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::LimitsSection;
use crate::exchange::Refused;
use crate::refusal::Refusal;

/// The places of one listener. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    limits: Arc<LimitsSection>,
    all: Arc<Semaphore>,
    shares: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

/// One request's place; given back when its answer has been sent, or when dropped before.
#[derive(Debug)]
pub(crate) struct Place {
    _all: OwnedSemaphorePermit,
    _share: OwnedSemaphorePermit,
}

/// What a request holds until its answer has been sent: a body that nobody reads takes up room as well as a request that nobody ends.
pub(crate) fn until_sent(response: Response, held: impl Send + Unpin + 'static) -> Response {
    response.map(|body| Body::new(Held { body, _held: held }))
}

/// A body with what goes when it goes.
struct Held<T> {
    body: Body,
    _held: T,
}

impl<T: Unpin> http_body::Body for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Places {
    /// As many as the configuration has.
    pub(crate) fn new(limits: LimitsSection) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits.in_flight_max.get() as usize)),
            shares: Arc::default(),
            limits: Arc::new(limits),
        }
    }

    /// A place for one more request of that caller.
    ///
    /// # Errors
    /// There is none at all, or none in the caller's share.
    pub(crate) fn take(&self, caller: &str) -> Result<Place, Refused> {
        let refused = |refusal| Refused::new(refusal).retry_after(1);
        let share = self.share(caller).try_acquire_owned();
        let share = share.map_err(|_| refused(Refusal::TooManyAtOnce))?;
        let all = Arc::clone(&self.all).try_acquire_owned();
        let all = all.map_err(|_| refused(Refusal::Overloaded))?;
        Ok(Place {
            _all: all,
            _share: share,
        })
    }

    /// A quarter of all, or as many pushes as the caller may have at once, when that is more.
    fn share(&self, caller: &str) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(caller) {
            return Arc::clone(share);
        }
        let own = self.limits.of(caller).concurrent_max.get();
        let most = own.max(self.limits.in_flight_max.get() / SHARES);
        let share = Arc::new(Semaphore::new(most as usize));
        // As many as there are partners and officers: strangers come to no place.
        shares.insert(caller.to_owned(), Arc::clone(&share));
        share
    }
}

/// So many callers together can fill all places.
const SHARES: u32 = 4;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::BTreeMap;
    use std::num::{NonZeroU32, NonZeroU64};

    use axum::body::Body;
    use axum::response::Response;

    use super::{Places, until_sent};
    use crate::config::{LimitsSection, PartnerLimits};
    use crate::refusal::Refusal;

    fn places(in_flight: u32, concurrent: u32) -> Places {
        let n = |n| NonZeroU32::new(n).unwrap();
        Places::new(LimitsSection {
            default: PartnerLimits {
                requests_per_s: n(1),
                requests_burst: n(1),
                concurrent_max: n(concurrent),
                rows_per_s: n(1),
                bytes_per_s: n(1),
                refused_per_h: n(1),
                report_kib_per_day: n(1),
            },
            partners: BTreeMap::new(),
            body_bytes_max: NonZeroU64::MIN,
            reject_percent_max: 20,
            in_flight_max: n(in_flight),
            workbooks_held_bytes_max: NonZeroU64::MIN,
        })
    }

    fn refusal(places: &Places, caller: &str) -> Option<Refusal> {
        places.take(caller).err().map(|refused| refused.refusal)
    }

    #[test]
    fn a_caller_that_keeps_all_that_it_may_leaves_room_for_the_others() {
        let places = places(8, 1);
        let held: Vec<_> = (0..2).map(|_| places.take("a").unwrap()).collect();
        assert_eq!(refusal(&places, "a"), Some(Refusal::TooManyAtOnce));
        assert_eq!(refusal(&places, "b"), None);
        drop(held);
        assert_eq!(refusal(&places, "a"), None);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_read_keeps_its_place() {
        let places = places(4, 1);
        let place = places.take("a").unwrap();
        let unread = until_sent(Response::new(Body::from("an answer")), place);
        assert_eq!(refusal(&places, "a"), Some(Refusal::TooManyAtOnce));
        let read = axum::body::to_bytes(unread.into_body(), 100).await.unwrap();
        assert_eq!(&read[..], b"an answer");
        assert_eq!(refusal(&places, "a"), None);
    }

    #[test]
    fn four_callers_fill_it_and_the_fifth_is_told_that_it_is_full() {
        let places = places(8, 1);
        let held: Vec<_> = ["a", "b", "c", "d"]
            .into_iter()
            .flat_map(|caller| [places.take(caller).unwrap(), places.take(caller).unwrap()])
            .collect();
        assert_eq!(refusal(&places, "e"), Some(Refusal::Overloaded));
        drop(held);
        assert_eq!(refusal(&places, "e"), None);
    }

    #[test]
    fn a_caller_may_always_have_its_pushes_at_once() {
        let places = places(8, 6);
        let held: Vec<_> = (0..6).map(|_| places.take("a").unwrap()).collect();
        assert_eq!(refusal(&places, "a"), Some(Refusal::TooManyAtOnce));
        drop(held);
    }
}
