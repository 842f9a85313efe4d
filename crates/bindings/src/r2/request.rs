//! What the scripts ask for, as an operation.

use isthmus_protocol::r2::{
    Algorithm, Checksum, Condition, Etag, HttpMetadata, Metadata, Operation, Part, Range,
};
use isthmus_web::streams;
use rquickjs::{Array, Ctx, Exception, Object, Result, Value};

use crate::convert::{is_absent, lossy_text};

/// A request with all that its operation borrows. Texts that are not well-formed are made so as upstream does.
pub(super) struct Request {
    kind: Kind,
    key: String,
    only_if: Option<OnlyIf>,
    details: Details,
}

enum Kind {
    Head,
    Get(Option<AskedRange>),
    Put(Option<(Algorithm, Vec<u8>)>),
    Delete(Vec<String>),
    List(List),
    CreateUpload,
    UploadPart(String, u32),
    CompleteUpload(String, Vec<(u32, String)>),
    AbortUpload(String),
}

enum AskedRange {
    Header(String),
    Span {
        offset: Option<u64>,
        length: Option<u64>,
    },
    Suffix(u64),
}

struct OnlyIf {
    matches: Option<Vec<(u8, String)>>,
    does_not_match: Option<Vec<(u8, String)>>,
    before: Option<i64>,
    after: Option<i64>,
    seconds: bool,
}

/// What goes with an object.
#[derive(Default)]
struct Details {
    /// Five headers, in the order of [`HttpMetadata`].
    http: [Option<String>; 5],
    cache_expiry: Option<i64>,
    custom: Vec<(String, String)>,
    storage_class: Option<String>,
}

struct List {
    limit: Option<i32>,
    prefix: Option<String>,
    cursor: Option<String>,
    delimiter: Option<String>,
    start_after: Option<String>,
    with_http: bool,
    with_custom: bool,
}

impl Request {
    pub(super) fn of<'js>(ctx: &Ctx<'js>, kind: &str, request: &Object<'js>) -> Result<Self> {
        let text = |name: &str| lossy_text(ctx, &request.get(name)?);
        let optional = |name: &str| optional_text(ctx, &request.get(name)?);
        let kind = match kind {
            "head" => Kind::Head,
            "get" => Kind::Get(asked_range(ctx, &request.get("range")?)?),
            "put" => Kind::Put(checksum(ctx, &request.get("checksum")?)?),
            "delete" => Kind::Delete(texts(ctx, &request.get("keys")?)?),
            "list" => Kind::List(List {
                limit: request.get("limit")?,
                prefix: optional("prefix")?,
                cursor: optional("cursor")?,
                delimiter: optional("delimiter")?,
                start_after: optional("startAfter")?,
                with_http: request.get("withHttp")?,
                with_custom: request.get("withCustom")?,
            }),
            "createUpload" => Kind::CreateUpload,
            "uploadPart" => Kind::UploadPart(text("upload")?, request.get("number")?),
            "complete" => Kind::CompleteUpload(text("upload")?, chosen_parts(ctx, &request.get("parts")?)?),
            "abort" => Kind::AbortUpload(text("upload")?),
            _ => {
                return Err(Exception::throw_internal(
                    ctx,
                    "there is no such operation of a bucket",
                ));
            }
        };
        let key = match &kind {
            Kind::Delete(_) | Kind::List(_) => String::new(),
            _ => text("key")?,
        };
        let details = match &kind {
            Kind::Put(_) | Kind::CreateUpload => Details::of(ctx, request)?,
            _ => Details::default(),
        };
        let only_if = match &kind {
            Kind::Get(_) | Kind::Put(_) => OnlyIf::of(ctx, &request.get("onlyIf")?)?,
            _ => None,
        };
        Ok(Self {
            kind,
            key,
            only_if,
            details,
        })
    }

    pub(super) fn operation(&self) -> Operation<'_> {
        let key = &*self.key;
        let only_if = self.only_if.as_ref().map(OnlyIf::borrowed);
        match &self.kind {
            Kind::Head => Operation::Head { key },
            Kind::Get(range) => Operation::Get {
                key,
                range: range.as_ref().map(|range| match range {
                    AskedRange::Header(header) => Range::Header(header),
                    AskedRange::Suffix(suffix) => Range::Suffix(*suffix),
                    AskedRange::Span { offset, length } => Range::Span {
                        offset: *offset,
                        length: *length,
                    },
                }),
                only_if,
            },
            Kind::Put(checksum) => Operation::Put {
                key,
                metadata: self.details.borrowed(),
                only_if,
                checksum: checksum.as_ref().map(|(algorithm, digest)| Checksum {
                    algorithm: *algorithm,
                    digest,
                }),
            },
            Kind::Delete(keys) => Operation::Delete {
                keys: keys.iter().map(String::as_str).collect(),
            },
            Kind::List(list) => Operation::List {
                limit: list.limit,
                prefix: list.prefix.as_deref(),
                cursor: list.cursor.as_deref(),
                delimiter: list.delimiter.as_deref(),
                start_after: list.start_after.as_deref(),
                with_http: list.with_http,
                with_custom: list.with_custom,
            },
            Kind::CreateUpload => Operation::CreateUpload {
                key,
                metadata: self.details.borrowed(),
            },
            Kind::UploadPart(upload, number) => Operation::UploadPart {
                key,
                upload,
                number: *number,
            },
            Kind::CompleteUpload(upload, parts) => Operation::CompleteUpload {
                key,
                upload,
                parts: parts
                    .iter()
                    .map(|(number, etag)| Part {
                        number: *number,
                        etag,
                    })
                    .collect(),
            },
            Kind::AbortUpload(upload) => Operation::AbortUpload { key, upload },
        }
    }
}

impl OnlyIf {
    fn of<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<Self>> {
        let Some(condition) = value.as_object() else {
            return Ok(None);
        };
        Ok(Some(Self {
            matches: etags(ctx, &condition.get("etagMatches")?)?,
            does_not_match: etags(ctx, &condition.get("etagDoesNotMatch")?)?,
            before: moment(&condition.get("uploadedBefore")?),
            after: moment(&condition.get("uploadedAfter")?),
            seconds: condition.get("seconds")?,
        }))
    }

    fn borrowed(&self) -> Condition<'_> {
        fn etags(etags: &[(u8, String)]) -> Vec<Etag<'_>> {
            etags
                .iter()
                .map(|(kind, value)| match kind {
                    0 => Etag::Any,
                    1 => Etag::Strong(value),
                    _ => Etag::Weak(value),
                })
                .collect()
        }
        Condition {
            etag_matches: self.matches.as_deref().map(etags),
            etag_does_not_match: self.does_not_match.as_deref().map(etags),
            uploaded_before: self.before,
            uploaded_after: self.after,
            seconds: self.seconds,
        }
    }
}

impl Details {
    fn of<'js>(ctx: &Ctx<'js>, request: &Object<'js>) -> Result<Self> {
        let mut details = Self {
            storage_class: optional_text(ctx, &request.get("storageClass")?)?,
            ..Self::default()
        };
        if let Some(http) = request.get::<_, Value>("http")?.as_array() {
            for (index, header) in details.http.iter_mut().enumerate() {
                *header = optional_text(ctx, &http.get(index)?)?;
            }
            details.cache_expiry = moment(&http.get(5)?);
        }
        let custom: Value = request.get("custom")?;
        if !is_absent(&custom) {
            let mut flat = texts(ctx, &custom)?.into_iter();
            while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
                details.custom.push((name, value));
            }
        }
        Ok(details)
    }

    fn borrowed(&self) -> Metadata<'_> {
        let [
            content_type,
            content_language,
            content_disposition,
            content_encoding,
            cache_control,
        ] = self.http.each_ref().map(Option::as_deref);
        Metadata {
            http: HttpMetadata {
                content_type,
                content_language,
                content_disposition,
                content_encoding,
                cache_control,
                cache_expiry: self.cache_expiry,
            },
            custom: self
                .custom
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect(),
            storage_class: self.storage_class.as_deref(),
        }
    }
}

fn optional_text<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<String>> {
    if is_absent(value) {
        return Ok(None);
    }
    lossy_text(ctx, value).map(Some)
}

/// The items of an array; none for anything else.
fn items<'js>(value: &Value<'js>) -> impl Iterator<Item = Result<Value<'js>>> + use<'js> {
    value
        .as_array()
        .cloned()
        .into_iter()
        .flat_map(|array: Array<'js>| {
            let length = array.len();
            (0..length).map(move |index| array.get(index))
        })
}

fn texts<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<String>> {
    items(value).map(|item| lossy_text(ctx, &item?)).collect()
}

fn pair<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Array<'js>> {
    let pair = value.as_array().cloned();
    pair.ok_or_else(|| Exception::throw_internal(ctx, "a pair is no array"))
}

fn etags<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<Vec<(u8, String)>>> {
    if is_absent(value) {
        return Ok(None);
    }
    let etag = |item: Result<Value<'js>>| {
        let pair = pair(ctx, &item?)?;
        Ok((pair.get(0)?, lossy_text(ctx, &pair.get(1)?)?))
    };
    items(value).map(etag).collect::<Result<_>>().map(Some)
}

fn chosen_parts<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<(u32, String)>> {
    let part = |item: Result<Value<'js>>| {
        let pair = pair(ctx, &item?)?;
        Ok((pair.get(0)?, lossy_text(ctx, &pair.get(1)?)?))
    };
    items(value).map(part).collect()
}

/// Whole milliseconds; those beyond 64 bits are at its end.
fn moment(value: &Value<'_>) -> Option<i64> {
    value.as_number().map(|moment| moment as i64)
}

fn asked_range<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<AskedRange>> {
    let Some(range) = value.as_object() else {
        return Ok(None);
    };
    let header: Value = range.get("header")?;
    if !is_absent(&header) {
        return Ok(Some(AskedRange::Header(lossy_text(ctx, &header)?)));
    }
    // Checked to be whole and not negative; what is beyond 64 bits is beyond every object.
    let number = |name: &str| -> Result<Option<u64>> {
        let value: Value = range.get(name)?;
        Ok(value.as_number().map(|number| number as u64))
    };
    Ok(Some(match number("suffix")? {
        Some(suffix) => AskedRange::Suffix(suffix),
        None => AskedRange::Span {
            offset: number("offset")?,
            length: number("length")?,
        },
    }))
}

fn checksum<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<(Algorithm, Vec<u8>)>> {
    if is_absent(value) {
        return Ok(None);
    }
    let pair = pair(ctx, value)?;
    let algorithm = match pair.get::<u8>(0)? {
        0 => Algorithm::Md5,
        1 => Algorithm::Sha1,
        2 => Algorithm::Sha256,
        3 => Algorithm::Sha384,
        _ => Algorithm::Sha512,
    };
    let digest: Value = pair.get(1)?;
    let bytes = match streams::buffer_bytes(ctx, &digest)? {
        Some(bytes) => bytes,
        None => of_hex(&lossy_text(ctx, &digest)?),
    };
    Ok(Some((algorithm, bytes)))
}

/// The bytes that hexadecimal digits, checked before, stand for.
fn of_hex(digits: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default() as u8;
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| pair.iter().fold(0, |byte, next| byte << 4 | digit(next)))
        .collect()
}
