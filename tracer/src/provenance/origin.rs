//! What is said of where a value comes from, and why nothing can be said.

use std::fmt;

use super::convert::{Expected, Unconverted};
use super::query;
use crate::decode::Missing;
use crate::moby::modules::Version;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A parameter of the owning request's query, whose converted value is the decoded one.
    Query { parameter: String, sent: String },
    /// A part of the owning request's path.
    Path { part: String },
    /// No parameter of the owning request reaches it; this function of the daemon made it.
    HardCoded { by: String },
    /// The zero value, and no parameter of the owning request reaches it.
    Default,
    /// Several of these, each of which made a part of it.
    Several(Vec<Origin>),
    /// And why.
    Unknown(Unknown),
}

/// Why an origin is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// No request certainly owns the call.
    Owner,
    /// Something here is not understood.
    NotUnderstood(NotUnderstood),
    /// It comes from something that is not captured.
    Elsewhere(Elsewhere),
    /// The query was not captured, or not as far as it matters.
    Captured(query::End),
    /// The path was not captured whole.
    Path(Missing),
    /// The query cannot be read for certain.
    Query(query::Unreadable),
    /// The query may have so many parameters that a handler sees none of them.
    MayBeUnread,
    /// The value itself is missing.
    Value(Missing),
    /// The value was cut.
    PartOfValue,
    /// It holds a secret.
    Masked,
    /// A form in the body counts before the query.
    Form,
    /// Whether the handler reads the parameter depends on the API version, which the path does not
    /// tell.
    Version { parameter: &'static str },
    /// The parameter has a value of which it is not known what a handler makes.
    Unconverted {
        parameter: String,
        sent: String,
        why: Unconverted,
    },
    /// The parameter makes another value than the call has.
    Mismatch {
        parameter: String,
        sent: String,
        makes: Expected,
        found: Expected,
    },
    /// The path says something else than the call has.
    PathMismatch { part: String, found: Expected },
    /// The handler should have chosen another value for this API version.
    VersionMismatch { version: Version, found: Expected },
    /// A newer daemon than those that are known may read this parameter.
    Stranger { parameter: String },
    /// No parameter sets it, and the caller that made it was not seen.
    Maker,
}

/// What is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotUnderstood {
    /// A path that is no UTF-8.
    Path,
    Route {
        method: String,
        path: String,
    },
    /// The function is not one of moby's own.
    Foreign,
    Function {
        method: &'static str,
        path: &'static str,
    },
    Option {
        option: String,
    },
    /// How a handler converts this parameter.
    Conversion {
        parameter: &'static str,
    },
    /// The value's form.
    Form,
}

/// Where a value comes from that is not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    Body,
    Headers,
    /// The daemon's own API version, for a path without one.
    OwnVersion,
    /// The handler looks up the ID of what the path names.
    Lookup,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("no request certainly owns the call"),
            Self::NotUnderstood(what) => what.fmt(f),
            Self::Elsewhere(where_) => where_.fmt(f),
            Self::Captured(end) => end.fmt(f),
            Self::Path(why) => write!(f, "the request's path was not captured whole: {why}"),
            Self::Query(why) => why.fmt(f),
            Self::MayBeUnread => f.write_str(
                "the request's query may hold more parameters than some releases of Go read at all",
            ),
            Self::Value(why) => write!(f, "its value is missing: {why}"),
            Self::PartOfValue => f.write_str("its value was cut"),
            Self::Masked => f.write_str("it holds a secret, which is masked"),
            Self::Form => {
                f.write_str("a form in the request's body may have set it; bodies are not captured")
            }
            Self::Version { parameter } => write!(
                f,
                "whether the handler reads {parameter} depends on the API version, which the path does not tell"
            ),
            Self::Unconverted {
                parameter,
                sent,
                why,
            } => write!(f, "the request says {parameter}={sent}: {why}"),
            Self::Mismatch {
                parameter,
                sent,
                makes,
                found,
            } => write!(
                f,
                "the request says {parameter}={sent}, which makes {makes}; the call has {found}"
            ),
            Self::PathMismatch { part, found } => {
                write!(f, "the path says {part:?}, the call has {found}")
            }
            Self::VersionMismatch {
                version: (major, minor),
                found,
            } => write!(
                f,
                "handlers that are known do not choose {found} for API version {major}.{minor}"
            ),
            Self::Stranger { parameter } => write!(
                f,
                "what the request's parameter {parameter:?} sets is not known here"
            ),
            Self::Maker => {
                f.write_str("no parameter sets it, and the caller that made it is not known")
            }
        }
    }
}

impl fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("the request's path is not UTF-8"),
            Self::Route { method, path } => write!(
                f,
                "what {method} {path} hands to functions is not known here"
            ),
            Self::Foreign => f.write_str("the function is not one of moby's own"),
            Self::Function { method, path } => write!(
                f,
                "what {method} {path} hands to this function is not known here"
            ),
            Self::Option { option } => write!(
                f,
                "which parameter sets {option} on this route is not known here"
            ),
            Self::Conversion { parameter } => {
                write!(f, "how the handler converts {parameter} is not known here")
            }
            Self::Form => f.write_str("it has a form that is not known here"),
        }
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body => "it comes from the request's body, which is not captured",
            Self::Headers => "it comes from the request's headers",
            Self::OwnVersion => "the path tells no API version: the daemon took its own",
            Self::Lookup => "the handler looked up the ID of what the path names",
        })
    }
}
