//! The body of a request, up to a limit and within a time.

use axum::body::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use std::fmt::Display;
use std::pin::pin;
use tokio::time::{Instant, timeout_at};

/// How much of a body beyond the limit is read and thrown away, in bytes, so that a client that reads the answer only
/// after it has sent everything gets to read it. Who sends more is cut off.
pub const DRAIN_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why there is no body.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// To be refused: BadRequest, the only error of the contract that fits.
    #[error("the body of the request is larger than {bytes_max} bytes; send fewer items in each request")]
    TooLarge {
        /// What is allowed.
        bytes_max: usize,
    },
    /// It did not come in time: nobody waits for an answer, and the connection is to be closed.
    #[error("the body of the request did not arrive in time")]
    Slow,
    /// It ended before its end, or is not what its head says.
    #[error("the body of the request is broken: {message}")]
    Broken {
        /// What came.
        message: String,
    },
}

/// Reads a body of at most `bytes_max` bytes until `deadline`.
///
/// # Errors
/// See [`BodyError`].
pub async fn collect_body<B>(body: B, bytes_max: usize, deadline: Instant) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let too_large = BodyError::TooLarge { bytes_max };
    let drained_max = bytes_max.saturating_add(DRAIN_BYTES_MAX);
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if expected > drained_max {
        return Err(too_large);
    }
    let mut is_too_large = expected > bytes_max;
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut rest = Vec::new();
    let mut length = 0_usize;
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) if is_too_large => return Err(too_large),
            Err(_) => return Err(BodyError::Slow),
            Ok(None) => break,
            Ok(Some(Err(_))) if is_too_large => return Err(too_large),
            Ok(Some(Err(error))) => return Err(BodyError::Broken { message: error.to_string() }),
            Ok(Some(Ok(frame))) => frame,
        };
        // Trailers mean nothing here.
        let Ok(bytes) = frame.into_data() else { continue };
        length = length.saturating_add(bytes.len());
        is_too_large |= length > bytes_max;
        if length > drained_max {
            return Err(too_large);
        }
        if is_too_large {
            (first, rest) = (Bytes::new(), Vec::new());
        } else if first.is_empty() && rest.is_empty() {
            first = bytes;
        } else {
            if rest.is_empty() {
                rest.reserve(expected.max(first.len() + bytes.len()));
                rest.extend_from_slice(&first);
                first = Bytes::new();
            }
            rest.extend_from_slice(&bytes);
        }
    }
    match (is_too_large, rest.is_empty()) {
        (true, _) => Err(too_large),
        (false, true) => Ok(first),
        (false, false) => Ok(Bytes::from(rest)),
    }
}
