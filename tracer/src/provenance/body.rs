//! What a request's headers say of its body: whether it can hold a form, and how long it is.

use crate::correlate::{Length, Request};

/// Methods whose bodies `ParseForm` reads, before the query (net/http/request.go).
const WITH_FORMS: &[&str] = &["POST", "PUT", "PATCH"];
/// The only type of body that it reads, the same in Go 1.13 to 1.27; what has no type is no form.
const FORM: &str = "application/x-www-form-urlencoded";

/// Whether the body may be a form that handlers read.
pub fn may_be_form(request: &Request) -> bool {
    let method = request.method.whole_str();
    if method.is_some_and(|m| !WITH_FORMS.contains(&m)) || is_none(request) {
        return false;
    }
    match &request.body.content_type {
        None => false,
        // `mime.ParseMediaType`
        Some(text) => text.whole().is_none_or(|text| {
            let text = String::from_utf8_lossy(text);
            let media = text.split(';').next().unwrap_or_default();
            media.trim().eq_ignore_ascii_case(FORM)
        }),
    }
}

/// Whether there is certainly no body.
pub fn is_none(request: &Request) -> bool {
    is_at_most(request, 0)
}

/// Whether the body certainly has no more bytes than this.
pub fn is_at_most(request: &Request, bytes: u64) -> bool {
    matches!(request.body.length, Length::Bytes(length) if length <= bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::Body;
    use crate::correlate::examples::request;
    use crate::decode::{Missing, Text};

    #[test]
    fn bodies_that_may_be_forms() {
        let form = |method: &str, length, content_type: Option<Text>| {
            may_be_form(&Request {
                body: Body {
                    length,
                    content_type,
                },
                ..request(method, "/v1.41/containers/c1/stop", "")
            })
        };
        let ty = |text: &str| Some(Text::from(text));
        let (some, chunks, none) = (Length::Bytes(5), Length::Untold, Length::Bytes(0));
        assert!(form("POST", some, ty(FORM)));
        assert!(form(
            "PUT",
            chunks,
            ty("Application/X-WWW-Form-URLEncoded ; charset=utf-8")
        ));
        assert!(form("PATCH", Length::NotCaptured, ty(FORM)));
        assert!(form("POST", some, Some(Text::Missing(Missing::Lost))));
        assert!(!form("GET", some, ty(FORM)));
        assert!(!form("DELETE", some, ty(FORM)));
        assert!(!form("POST", none, ty(FORM)));
        assert!(!form("POST", none, Some(Text::Missing(Missing::Lost))));
        assert!(!form("POST", some, None));
        assert!(!form("POST", Length::NotCaptured, None));
        for other in [
            "application/json",
            "application/octet-stream",
            "multipart/form-data; boundary=x",
            "",
        ] {
            assert!(!form("POST", some, ty(other)), "{other}");
        }
    }
}
