//! Static assets, which need no isolate.

use http::request::Parts;
use http::{Method, Response, StatusCode};
use isthmus_assets::{Answer, Asked, Assets};

use super::body::ResponseBody;
use super::dispatch::without_body;
use super::target::Target;
use crate::assets::{self, AssetBody};
use crate::broker::HeldBody;
use crate::pages::Page;

/// The answer to a request that is not the Worker's; `None` if it is.
pub(super) fn answer(
    assets: &Assets,
    head: &Parts,
    target: &Target,
) -> Option<Result<Response<ResponseBody>, Page>> {
    let Answer {
        status,
        headers,
        content,
    } = assets.route(Asked {
        method: &head.method,
        url: &target.url,
        headers: &head.headers,
    })?;
    let body = match assets::body(content) {
        Ok(AssetBody::None) => ResponseBody::Empty,
        Ok(AssetBody::Whole(bytes)) => ResponseBody::Full(bytes),
        Ok(AssetBody::File(body)) => ResponseBody::Held(HeldBody::Stored(body)),
        Err(error) => {
            let text = format!("The asset {} can't be read: {error}", target.path());
            return Some(Err(Page {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                text,
            }));
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if head.method == Method::HEAD {
        let body = std::mem::replace(response.body_mut(), ResponseBody::Empty);
        *response.body_mut() = without_body(body, response.headers_mut(), true);
    }
    Some(Ok(response))
}
