//! Error codes, the exceptions they are in, and the HTTP status of each.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The service model's `ErrorCode`, as far as accounts and users need it, and one for what a newer server may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // The names are the model's own.
pub enum ErrorCode {
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    ResourceLimitExceeded,
    ServiceFailure,
    AccessDenied,
    ServiceUnavailable,
    Throttled,
    Throttling,
    Unauthorized,
    Unprocessable,
    /// A code that this program does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A whole request that failed: the exceptions of the service model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the model's own.
pub enum Exception {
    BadRequest,
    ResourceLimitExceeded,
    UnauthorizedClient,
    Forbidden,
    AccessDenied,
    NotFound,
    Conflict,
    UnprocessableEntity,
    ThrottledClient,
    ServiceFailure,
    ServiceUnavailable,
}

impl Exception {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::BadRequest,
        Self::ResourceLimitExceeded,
        Self::UnauthorizedClient,
        Self::Forbidden,
        Self::AccessDenied,
        Self::NotFound,
        Self::Conflict,
        Self::UnprocessableEntity,
        Self::ThrottledClient,
        Self::ServiceFailure,
        Self::ServiceUnavailable,
    ];

    /// The name of the shape, which stands in `x-amzn-ErrorType`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequestException",
            Self::ResourceLimitExceeded => "ResourceLimitExceededException",
            Self::UnauthorizedClient => "UnauthorizedClientException",
            Self::Forbidden => "ForbiddenException",
            Self::AccessDenied => "AccessDeniedException",
            Self::NotFound => "NotFoundException",
            Self::Conflict => "ConflictException",
            Self::UnprocessableEntity => "UnprocessableEntityException",
            Self::ThrottledClient => "ThrottledClientException",
            Self::ServiceFailure => "ServiceFailureException",
            Self::ServiceUnavailable => "ServiceUnavailableException",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::ResourceLimitExceeded => 400,
            Self::UnauthorizedClient => 401,
            Self::Forbidden | Self::AccessDenied => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::UnprocessableEntity => 422,
            Self::ThrottledClient => 429,
            Self::ServiceFailure => 500,
            Self::ServiceUnavailable => 503,
        }
    }

    /// What stands in the body's `Code`.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::BadRequest => ErrorCode::BadRequest,
            Self::ResourceLimitExceeded => ErrorCode::ResourceLimitExceeded,
            Self::UnauthorizedClient => ErrorCode::Unauthorized,
            Self::Forbidden => ErrorCode::Forbidden,
            Self::AccessDenied => ErrorCode::AccessDenied,
            Self::NotFound => ErrorCode::NotFound,
            Self::Conflict => ErrorCode::Conflict,
            Self::UnprocessableEntity => ErrorCode::Unprocessable,
            Self::ThrottledClient => ErrorCode::Throttled,
            Self::ServiceFailure => ErrorCode::ServiceFailure,
            Self::ServiceUnavailable => ErrorCode::ServiceUnavailable,
        }
    }

    /// The exception of that name; a server may put a namespace before it (`ns#Name`) and an address behind it
    /// (`Name:http://…`), as the AWS protocols allow.
    pub fn named(text: &str) -> Option<Self> {
        let text = text.split(':').next().unwrap_or_default();
        let text = text.rsplit('#').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|exception| exception.name() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_known_by_its_name() {
        for exception in Exception::ALL {
            let name = exception.name();
            assert_eq!(Exception::named(name), Some(exception));
            assert_eq!(Exception::named(&format!("com.amazonaws.chime#{name}:http://internal/")), Some(exception));
        }
        assert_eq!(Exception::named("Other"), None);
    }
}
