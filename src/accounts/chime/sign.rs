//! SigV4 on every attempt: its own time, and an id of its own, so that no two requests are ever the same.

use super::call::Operation;
use crate::accounts::reach::failure::Failure;
use crate::wire::SERVICE;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::time::SystemTime;

/// Names one attempt. It is signed, since the server carries out one and the same signed request only once.
pub(super) const HEADER_ATTEMPT: &str = "amz-sdk-invocation-id";
/// What every body is.
const JSON: &str = "application/json";

/// A key and where it is good for.
pub(super) struct Signer {
    key_id: String,
    secret: SecretString,
    region: String,
}

/// Never shows the secret.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key_id", &self.key_id).field("region", &self.region).finish_non_exhaustive()
    }
}

impl Signer {
    pub(super) fn new(key_id: String, secret: SecretString, region: String) -> Self {
        Self { key_id, secret, region }
    }

    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The headers of one attempt: everything but `Host`, which the connection adds as it was signed.
    pub(super) fn headers(
        &self,
        operation: Operation,
        url: &str,
        body: Option<&[u8]>,
        at: SystemTime,
    ) -> Result<HeaderMap, Failure> {
        let failed = |why: String| Failure::not_sent(operation, format!("it cannot be signed: {why}"));
        let attempt = uuid::Uuid::new_v4().to_string();
        let identity =
            Credentials::new(self.key_id.clone(), self.secret.expose_secret(), None, None, "configuration").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(at)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let mut plain = vec![(HEADER_ATTEMPT, attempt.as_str())];
        plain.extend(body.map(|_| (CONTENT_TYPE.as_str(), JSON)));
        let method = if body.is_some() { "POST" } else { "GET" };
        let signable =
            SignableRequest::new(method, url, plain.iter().copied(), SignableBody::Bytes(body.unwrap_or_default()))
                .map_err(|error| failed(error.to_string()))?;
        let signed = sign(signable, &params.into()).map_err(|error| failed(error.to_string()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in plain.iter().copied().chain(signed.output().headers()) {
            let name = HeaderName::try_from(name).map_err(|error| failed(error.to_string()))?;
            let mut value = HeaderValue::try_from(value).map_err(|error| failed(error.to_string()))?;
            value.set_sensitive(name == http::header::AUTHORIZATION);
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn signer() -> Signer {
        Signer::new("AKIDEXAMPLE".into(), SecretString::from("hunter2hunter2"), "us-east-1".into())
    }

    #[test]
    fn host_type_time_and_attempt_are_signed_and_no_two_attempts_are_alike() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        let url = "https://seats.corp.example/accounts/a1/users?operation=suspend";
        let one = signer().headers(Operation::BatchSuspendUser, url, Some(b"{}"), at).unwrap();
        let two = signer().headers(Operation::BatchSuspendUser, url, Some(b"{}"), at).unwrap();
        let authorization = one["authorization"].to_str().unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/2026"), "{authorization}");
        assert!(authorization.contains("/us-east-1/chime/aws4_request, "), "{authorization}");
        assert!(
            authorization.contains("SignedHeaders=amz-sdk-invocation-id;content-type;host;x-amz-date, "),
            "{authorization}"
        );
        assert_ne!(one["authorization"], two["authorization"]);
        let get = signer().headers(Operation::ListUsers, url, None, at).unwrap();
        assert!(get["authorization"].to_str().unwrap().contains("SignedHeaders=amz-sdk-invocation-id;host;x-amz-date"));
        assert!(get.get("content-type").is_none() && get.get("x-amz-security-token").is_none());
    }

    #[test]
    fn the_secret_is_shown_nowhere() {
        let headers = signer().headers(Operation::GetAccount, "http://127.0.0.1:1/x", None, SystemTime::now()).unwrap();
        for shown in [format!("{:?}", signer()), format!("{headers:?}")] {
            assert!(!shown.contains("hunter2") && !shown.contains("Signature="), "{shown}");
        }
    }
}
