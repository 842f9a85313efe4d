//! `data:` URLs: <https://fetch.spec.whatwg.org/#data-urls>.

use data_url::DataUrl;

use crate::body::IncomingBody;
use crate::host::FetchAnswer;
use crate::url::Url;

/// What a `data:` URL holds; `None` if it is malformed.
pub(super) fn answer(url: &Url) -> Option<FetchAnswer> {
    let text = url.to_string();
    let data = DataUrl::process(&text).ok()?;
    let (body, _fragment) = data.decode_to_vec().ok()?;
    Some(FetchAnswer {
        status: 200,
        status_text: "OK".to_owned(),
        headers: vec![(
            "content-type".to_owned(),
            data.mime_type().to_string().into_bytes(),
        )],
        body: IncomingBody::Bytes(body.into()),
    })
}
