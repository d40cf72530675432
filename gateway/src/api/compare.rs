//! `POST /v1/compare`: claims in, `agree`, `differ` or `absent` out, in the order of the rows.
//!
//! Takes a JSON document of at most 1,000 rows; gives 200 once the `compare` leaf is durable. Refuses whole: there is no half answer.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use shuguan_policies::dataset::Dataset;

use super::gate::{About, Context};
use super::{Api, answers, feeds};
use crate::edge::Peer;
use crate::exchange::asked::RequestHead;
use crate::exchange::compare::{self, CompareRequest};
use crate::exchange::{Stop, answer};
use crate::signature::Asked;

/// Longest request: 1,000 rows of about a kilobyte.
const REQUEST_BYTES_MAX: usize = 1 << 20;
const MEMBERS: &str = "members are dataset, purpose, case, rows [{FIELD: TEXT, …}]; a row names each field once";

/// Compares. Who hangs up loses the answer and nothing else: his key is held until it is sealed, so that he may ask again.
pub(crate) async fn compare(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(parts);
    let read = super::request::<CompareRequest>(&api, &asked, body, REQUEST_BYTES_MAX, MEMBERS).await;
    let stations = Arc::clone(&api.stations);
    let taker = context.clone();
    let answered = async move { Ok(answer_to(&api, &taker, &peer, &asked, read).await) };
    match stations.to_the_end(answered).await {
        Ok(response) => response,
        Err(stop) => context.stop(None, "compare", About::default(), stop).await,
    }
}

async fn answer_to(
    api: &Api,
    context: &Context,
    peer: &Arc<Peer>,
    asked: &Asked,
    read: Result<(CompareRequest, Bytes), Stop>,
) -> Response {
    let policies = api.stations.policies.load_full();
    let mut about = About {
        bundle: Some(policies.hash()),
        ..About::default()
    };
    let compared = match read {
        Ok((request, body)) => {
            about.dataset = Dataset::parse(&request.dataset).map(Dataset::name);
            let codes = policies.purposes().iter().map(|purpose| purpose.code.as_str());
            about.purpose = codes.into_iter().find(|code| *code == request.purpose);
            let head = RequestHead {
                message: asked.message(),
                body: &body,
            };
            let compared = compare::compare(&api.stations, Arc::clone(peer), &request, &head).await;
            compared.and_then(answer::compare)
        }
        Err(stop) => Err::<_, Stop>(stop),
    };
    let response = match compared {
        Ok(answer) => {
            metrics::counter!("shuguan_comparisons_total", "partner" => peer.partner().id.clone()).increment(1);
            feeds::answered(StatusCode::OK, answer)
        }
        Err(stop) => context.stop(Some(peer), "compare", about, stop).await,
    };
    answers::signed(api, peer, asked, response).await
}
