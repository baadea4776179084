//! Where each option of a call comes from: a parameter of the request that owns it, a function of the daemon, or nowhere.
//!
//! Pure: calls, requests and names in, statements out. `table` is what is known of moby's handlers, `routes` looks it up, `query` reads a request's query,
//! `convert` does what handlers do to a parameter, `maker` looks for the function that made a value. What cannot be told is
//! [`Origin::Unknown`] with the reason; that a parameter *may* have set a value is never enough.

mod convert;
mod maker;
mod query;
mod routes;
mod table;

use std::collections::BTreeMap;

use crate::correlate::{Call, Owner, Request, Trace, split_version};
use crate::decode::{Missing, Text, Value};
use crate::plan::Plan;
pub use convert::bool_value;
use convert::{Expected, convert, said};
use query::Sent;
pub use routes::called_by;
use routes::{Called, Conversion, Route, Source};

/// Where import paths of moby's own functions begin.
const MODULES: &[&str] = &["github.com/docker/docker/", "github.com/moby/moby/v2/"];

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
    /// And why.
    Unknown(Unknown),
}

/// Why an origin is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// No request certainly owns the call.
    Owner,
    /// This route, function or option is not understood.
    NotUnderstood(String),
    /// It comes from something that is not captured.
    Elsewhere(&'static str),
    /// A part of the request was not captured, or not as far as it matters.
    Captured(query::End),
    Path(Missing),
    /// The query cannot be read for certain.
    Query(query::Unreadable),
    /// A particular of this call.
    Reason(String),
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Owner => f.write_str("no request certainly owns the call"),
            Self::Elsewhere(why) => f.write_str(why),
            Self::Captured(end) => end.fmt(f),
            Self::Path(why) => write!(f, "the request's path was not captured whole: {why}"),
            Self::Query(why) => why.fmt(f),
            Self::NotUnderstood(why) | Self::Reason(why) => f.write_str(why),
        }
    }
}

fn unknown(why: impl Into<String>) -> Origin {
    Origin::Unknown(Unknown::Reason(why.into()))
}

/// One option of a call: a parameter, or a field of the struct that it is or points to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionValue<'v> {
    /// Index into the function's parameters.
    pub parameter: usize,
    pub field: Option<&'v str>,
    pub value: &'v Value,
}

/// Options that a parameter's value holds.
#[must_use]
pub fn options_in(parameter: usize, value: &Value) -> Vec<OptionValue<'_>> {
    match fields(value) {
        Some(fields) => fields
            .iter()
            .map(|(name, value)| OptionValue {
                parameter,
                field: Some(name),
                value,
            })
            .collect(),
        None => vec![OptionValue {
            parameter,
            field: None,
            value,
        }],
    }
}

/// Fields of a struct of options; `None`: one value, which a struct with a single unexported field (`filters.Args`) is too.
fn fields(value: &Value) -> Option<&[(String, Value)]> {
    match value.pointed() {
        Value::Struct { fields, .. } => match fields.as_slice() {
            [] => None,
            [(only, _)] if only.starts_with(|c: char| !c.is_uppercase()) => None,
            fields => Some(fields),
        },
        _ => None,
    }
}

/// Origins of the options of one trace.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'a> {
    plan: &'a Plan,
    trace: &'a Trace,
    /// Names of return addresses, innermost inlined frame first.
    symbols: &'a BTreeMap<u64, Vec<String>>,
}

/// What is known of a call before any of its options is looked at.
struct Context<'a> {
    request: &'a Request,
    called: &'static Called,
    /// What stands in the path for the braces of the route.
    name: String,
    query: query::Query,
    /// A parameter of the request that the table does not know on its route.
    stranger: Option<String>,
}

impl<'a> Provenance<'a> {
    #[must_use]
    pub fn new(plan: &'a Plan, trace: &'a Trace, symbols: &'a BTreeMap<u64, Vec<String>>) -> Self {
        Self {
            plan,
            trace,
            symbols,
        }
    }

    /// Origins of the shown options of a call, in order.
    #[must_use]
    pub fn of_call<'c>(&self, call: &'c Call) -> Vec<(OptionValue<'c>, Origin)> {
        let Some(function) = self.plan.functions.get(call.func as usize) else {
            return Vec::new();
        };
        let context = self.context(call);
        function
            .params
            .iter()
            .zip(&call.params)
            .enumerate()
            .filter(|(_, (schema, _))| schema.shown)
            .flat_map(|(at, (_, value))| options_in(at, value))
            .map(|option| {
                let name = option.field.unwrap_or_else(|| {
                    let schema = function.params.get(option.parameter);
                    schema.map_or("", |s| s.name.as_str())
                });
                let origin = match &context {
                    Ok(context) => self.origin(context, call, name, option.value),
                    Err(why) => Origin::Unknown(why.clone()),
                };
                (option, origin)
            })
            .collect()
    }

    fn context(&self, call: &Call) -> Result<Context<'a>, Unknown> {
        let Owner::Request { request, .. } = call.owner else {
            return Err(Unknown::Owner);
        };
        let request = self.trace.requests.get(request).ok_or(Unknown::Owner)?;
        let not_understood = |what: String| Unknown::NotUnderstood(what);
        let whole = |text: &'a Text| -> Result<&'a str, Unknown> {
            match text.why() {
                Some(why) => Err(Unknown::Path(why.clone())),
                None => text
                    .whole_str()
                    .ok_or_else(|| not_understood("the request's path is not UTF-8".into())),
            }
        };
        let (method, path) = (whole(&request.method)?, whole(&request.path)?);
        let (route, name) = Route::of(method, path).ok_or_else(|| {
            not_understood(format!(
                "what {method} {} hands to functions is not known here",
                split_version(path).1
            ))
        })?;
        let function = self.plan.functions.get(call.func as usize);
        let symbol = function.map_or("", |f| f.name.as_str());
        if !is_of_moby(symbol) {
            return Err(not_understood(
                "the function is not one of moby's own".into(),
            ));
        }
        let called = route.called(symbol).ok_or_else(|| {
            not_understood(format!(
                "what {} {} hands to this function is not known here",
                route.method, route.path
            ))
        })?;
        let query = query::Query::parse(&request.query).map_err(Unknown::Query)?;
        let stranger = query.names().find(|n| !route.knows(n)).map(str::to_owned);
        Ok(Context {
            request,
            called,
            name,
            query,
            stranger,
        })
    }

    fn origin(&self, context: &Context<'_>, call: &Call, option: &str, value: &Value) -> Origin {
        // two secrets look the same once they are hidden
        if value.is_masked() {
            return unknown("it holds a secret, which is masked");
        }
        if !value.is_whole() {
            return match value.why_missing() {
                Some(why) => unknown(format!("its value is missing: {why}")),
                None => unknown("its value was cut or masked"),
            };
        }
        let Some((_, source)) = context.called.options.iter().find(|(n, _)| *n == option) else {
            return Origin::Unknown(Unknown::NotUnderstood(format!(
                "which parameter sets {option} on this route is not known here"
            )));
        };
        match *source {
            Source::Query(parameter, conversion) => {
                self.by_query(context, call, parameter, conversion, value)
            }
            Source::Since(parameter, conversion, since) => {
                let version = context.request.api_version.as_deref();
                match (
                    context.query.get(parameter),
                    version.and_then(routes::version),
                ) {
                    (Sent::No, _) => self.by_daemon(context, call, value),
                    (_, None) => unknown(format!(
                        "whether the handler reads {parameter} depends on the API version, which the path does not tell"
                    )),
                    (_, Some(version)) if version >= since => {
                        self.by_query(context, call, parameter, conversion, value)
                    }
                    _ => self.by_daemon(context, call, value),
                }
            }
            Source::Path => {
                if Expected::Text(context.name.clone()).is(value) {
                    Origin::Path {
                        part: context.name.clone(),
                    }
                } else {
                    unknown(format!(
                        "the path says {:?}, the call has {}",
                        context.name,
                        said(value)
                    ))
                }
            }
            Source::PathFilter => {
                let made = ["idOrName", "id"].iter().any(|key| {
                    let set = [(context.name.clone(), true)].into();
                    Expected::Filters([((*key).to_owned(), set)].into()).is(value)
                });
                if made {
                    Origin::Path {
                        part: context.name.clone(),
                    }
                } else {
                    unknown("the handler made it of more than the path")
                }
            }
            Source::ApiVersion => match &context.request.api_version {
                Some(version) if Expected::Text(version.clone()).is(value) => Origin::Path {
                    part: version.clone(),
                },
                _ => Origin::Unknown(Unknown::Elsewhere(
                    "the handler chooses it by the API version",
                )),
            },
            Source::Daemon => self.by_daemon(context, call, value),
            Source::Elsewhere(why) => Origin::Unknown(Unknown::Elsewhere(why)),
        }
    }

    fn by_query(
        &self,
        context: &Context<'_>,
        call: &Call,
        parameter: &str,
        conversion: Conversion,
        value: &Value,
    ) -> Origin {
        let sent = match context.query.get(parameter) {
            Sent::Unknown(end) => return Origin::Unknown(Unknown::Captured(end.clone())),
            Sent::First(_, end) if conversion.reads_all() => {
                return Origin::Unknown(Unknown::Captured(end.clone()));
            }
            Sent::First(values, _) => values.get(..1).unwrap_or_default(),
            Sent::All(values) => values,
            Sent::No => {
                // forms in a body are merged with the query (net/http/request.go, ParseForm)
                let form = context.request.method.whole_str();
                let form = form.is_some_and(|m| matches!(m, "POST" | "PUT" | "PATCH"));
                return if form && !value.is_zero() {
                    unknown("a form in the request's body may have set it; bodies are not captured")
                } else {
                    self.by_daemon(context, call, value)
                };
            }
        };
        let shown = sent.join(",");
        match convert(conversion, sent) {
            Ok(_) if value.is_zero() && context.query.may_be_unread() => unknown(
                "the request's query may hold more parameters than some releases of Go read at all",
            ),
            Ok(expected) if expected.is(value) => Origin::Query {
                parameter: parameter.to_owned(),
                sent: shown,
            },
            Ok(expected) => unknown(format!(
                "the request says {parameter}={shown}, which makes {expected}; the call has {}",
                said(value)
            )),
            Err(why) => unknown(format!("the request says {parameter}={shown}: {why}")),
        }
    }

    /// Of a value that no parameter of the request sets.
    fn by_daemon(&self, context: &Context<'_>, call: &Call, value: &Value) -> Origin {
        if let Some(end) = context.query.end() {
            return Origin::Unknown(Unknown::Captured(end.clone()));
        }
        if let Some(stranger) = &context.stranger {
            return unknown(format!(
                "what the request's parameter {stranger:?} sets is not known here"
            ));
        }
        if value.is_zero() {
            return Origin::Default;
        }
        match maker::of(self.plan, self.trace, self.symbols, call, context.called) {
            Some(by) => Origin::HardCoded { by },
            None => unknown("no parameter sets it, and the caller that made it is not known"),
        }
    }
}

fn is_of_moby(symbol: &str) -> bool {
    MODULES.iter().any(|m| symbol.starts_with(m))
}

#[cfg(test)]
pub mod examples;
#[cfg(test)]
mod tests;
