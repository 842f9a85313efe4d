//! `R2Bucket` beside the recorded answers of workerd and miniflare (`tests/r2_reference/record.mjs`), and what is ours.

use serde_json::{Value as Json, json};

use crate::bucket::Bucket;
use crate::recorded::groups;

/// Where we answer otherwise, and on purpose. A case that comes to agree must leave the list.
fn deviation(group: &str, name: &str) -> Option<Json> {
    let refused = |message: &str| json!({"rejected": {"name": "Error", "message": message}});
    Some(match (group, name) {
        // The platform's own limit, which miniflare doesn't have.
        ("keys", "delete 1001") => {
            refused("delete: The number of keys in the request must be between 1 and 1000 inclusive. (10027)")
        }
        // The same limit as that of a put.
        ("multipart", "metadata too large") => refused(
            "createMultipartUpload: Your metadata headers exceed the maximum allowed metadata size. (10012)",
        ),
        // Miniflare reads on from wherever a broken cursor leads it.
        ("list", "cursor not base64") => {
            json!({"rejected": {
                "name": "Error",
                "message": "list: The cursor is none that a list has returned. (10029)"
            }})
        }
        // What is the caller's fault is not called an internal error.
        ("multipart", "resume unknown, complete") => {
            refused("completeMultipartUpload: The specified multipart upload does not exist. (10024)")
        }
        ("multipart", "resume unknown, abort") => {
            refused("abortMultipartUpload: The specified multipart upload does not exist. (10024)")
        }
        ("multipart", "a part named twice") => {
            refused("completeMultipartUpload: There was a problem with the multipart upload. (10048)")
        }
        // The engine's own words.
        ("class", "call") => json!({"thrown": {
            "name": "TypeError",
            "message": "class constructors must be invoked with 'new'"
        }}),
        _ => return None,
    })
}

groups! {
    "r2_reference", deviation, |case| Bucket::new().outcome(&case.code),
    keys values streams metadata checksums ranges conditions list multipart class
}

#[test]
fn null_stands_for_every_option_that_is_not_given() {
    let bucket = Bucket::new();
    let found = bucket.outcome(
        "return r2.put('k', 'v', {
             onlyIf: null, httpMetadata: null, customMetadata: null, md5: null, sha1: null, sha256: null, sha384: null,
             sha512: null, storageClass: null, ssecKey: null })
         .then(() => r2.put('k', 'v', {
             onlyIf: { etagMatches: null, etagDoesNotMatch: null, uploadedBefore: null, uploadedAfter: null,
                       secondsGranularity: null },
             httpMetadata: { contentType: null, contentLanguage: null, contentDisposition: null, contentEncoding: null,
                             cacheControl: null, cacheExpiry: null } }))
         .then(() => r2.get('k', { range: null, onlyIf: null, ssecKey: null }))
         .then((o) => o.text())
         .then((first) => r2.get('k', { range: { offset: 0, length: null, suffix: null } }).then((o) => o.text())
             .then((second) => r2.list({ limit: null, prefix: null, cursor: null, delimiter: null, startAfter: null,
                                         include: null })
             .then((page) => [first, second, page.objects.length])))",
    );
    assert_eq!(found, json!({"resolved": ["v", "v", 1]}));
    let found = bucket.outcome(
        "return r2.createMultipartUpload('m', { httpMetadata: null, customMetadata: null, storageClass: null,
                                                ssecKey: null })
         .then(async (u) => (await u.complete([await u.uploadPart(1, 'v', { ssecKey: null })])).httpMetadata.contentType)",
    );
    assert_eq!(found, json!({"resolved": {"undefined": true}}));
}

#[test]
fn a_storage_class_is_kept_and_an_unknown_one_refused() {
    let bucket = Bucket::new();
    let found = bucket.outcome(
        "return r2.put('a', '').then(() => r2.put('b', '', { storageClass: 'InfrequentAccess' }))
             .then(() => r2.list()).then((page) => page.objects.map((o) => o.storageClass))",
    );
    assert_eq!(found, json!({"resolved": ["Standard", "InfrequentAccess"]}));
    let found = bucket.outcome("return r2.put('c', '', { storageClass: 'Glacial' })");
    let message = "put: The specified storage class is not valid. (10029)";
    assert_eq!(found, json!({"rejected": {"name": "Error", "message": message}}));
}

#[test]
fn http_metadata_is_bounded() {
    let found =
        Bucket::new().outcome("return r2.put('k', '', { httpMetadata: { contentType: 'x'.repeat(8193) } })");
    let message = "put: Your metadata headers exceed the maximum allowed metadata size. (10012)";
    assert_eq!(found, json!({"rejected": {"name": "Error", "message": message}}));
}

#[test]
fn a_stored_body_that_is_put_again_never_visits_javascript() {
    let bucket = Bucket::new();
    let found = bucket.outcome(
        "return r2.put('a', new Uint8Array(300000).fill(7)).then(() => r2.get('a')).then((o) => r2.put('b', o.body))
             .then((o) => [o.size, o.etag])",
    );
    let put = bucket.outcome("return r2.head('a').then((o) => [o.size, o.etag])");
    assert_eq!(found, put);
    assert_eq!(bucket.broker.passed_on.get(), 1);
}

#[test]
fn a_patched_platform_changes_nothing() {
    let found = Bucket::new().outcome(
        "const broken = () => { throw new Error('patched') };
         const saved = [Promise.prototype.then, Response.prototype.text, Headers.prototype.get, Array.prototype[Symbol.iterator]];
         Promise.prototype.then = Response.prototype.text = Headers.prototype.get = broken;
         Array.prototype[Symbol.iterator] = broken;
         let begun;
         try {
             begun = [r2.put('k', 'v', { customMetadata: { a: '1' } }), r2.get('k'), r2.list({ include: ['customMetadata'] })];
         } finally {
             [0].length;
             Promise.prototype.then = saved[0];
             Response.prototype.text = saved[1];
             Headers.prototype.get = saved[2];
             Array.prototype[Symbol.iterator] = saved[3];
         }
         return Promise.all(begun).then(async (done) => [await done[1].text(), done[2].objects[0].customMetadata]);",
    );
    assert_eq!(found, json!({"resolved": ["v", {"a": "1"}]}));
}
