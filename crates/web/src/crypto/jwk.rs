//! The base64url of JSON Web Keys. <https://www.rfc-editor.org/rfc/rfc7518#section-2>

use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, Engine};
use rquickjs::{Ctx, Object, Result};
use zeroize::Zeroizing;

use super::failure::Failure;

/// The text of `bytes`.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// As lenient as Workers: padding may be there or not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes behind a member of a JWK; the two characters in which plain base64 differs are let pass, as in Workers.
fn decode(text: &str) -> std::result::Result<Zeroizing<Vec<u8>>, Failure> {
    let text = Zeroizing::new(text.replace('+', "-").replace('/', "_"));
    LENIENT
        .decode(text.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| Failure::data("A member of the JSON Web Key is no valid base64url"))
}

/// The bytes of the member `name`; `None` where it is missing. Throws a `DataError` if it is malformed.
pub(super) fn member(ctx: &Ctx<'_>, jwk: &Object<'_>, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
    match jwk.get::<_, Option<String>>(name)? {
        None => Ok(None),
        Some(text) => match decode(&text) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(failure) => Err(failure.throw(ctx)),
        },
    }
}

/// As [`member`]; a missing one throws a `DataError`.
pub(super) fn required(ctx: &Ctx<'_>, jwk: &Object<'_>, name: &str) -> Result<Zeroizing<Vec<u8>>> {
    match member(ctx, jwk, name)? {
        Some(bytes) => Ok(bytes),
        None => {
            Err(Failure::data(format!("The member \"{name}\" of the JSON Web Key is missing")).throw(ctx))
        }
    }
}
