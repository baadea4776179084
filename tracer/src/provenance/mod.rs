//! Where each option of a call comes from: a parameter of the request that owns it, a function of
//! the daemon, or nowhere.
//!
//! Pure: calls, requests and names in, statements out. `table` is what is known of moby's handlers,
//! `routes` looks it up, `api` says which API version a request is handled by, `query` reads its
//! query, `body` tells whether its body can hold a form, `convert` does what handlers do to a
//! parameter, `maker` looks for the function that made a value, `origin` has the words. What cannot
//! be told is [`Origin::Unknown`] with the reason; that a parameter *may* have set a value is never
//! enough.

mod api;
mod body;
mod convert;
mod maker;
mod origin;
mod query;
mod routes;

use std::collections::BTreeMap;

use crate::addr::ImageAddr;
use crate::correlate::{Call, Owner, Request, Trace, split_version};
use crate::decode::{Text, Value};
use crate::moby::modules::Version;
use crate::moby::routes::{Added, Addition, Called, Conversion, Gate, Route, SCOPE, Source};
use crate::plan::Plan;
use api::Api;
pub use convert::bool_value;
use convert::{Converted, Expected, Filters, Fit, Unconverted, convert};
pub use origin::{Elsewhere, NotUnderstood, Origin, Unknown};
use query::Sent;
use routes::Reader;
pub use routes::called_by;

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

/// Fields of a struct of options; `None`: one value, which a struct with a single unexported field
/// (`filters.Args`) is too.
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
    symbols: &'a BTreeMap<ImageAddr, Vec<String>>,
}

/// A parameter of a request that no handler of its route reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    pub parameter: String,
    pub why: WhyUnread,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyUnread {
    /// In no release.
    NotOfRoute,
    /// Only from this API version on.
    Before(Version),
    /// Only below this API version.
    From(Version),
}

impl std::fmt::Display for WhyUnread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotOfRoute => f.write_str("no parameter of this route"),
            Self::Before((major, minor)) => write!(f, "read from API {major}.{minor} on"),
            Self::From((major, minor)) => write!(f, "read below API {major}.{minor} only"),
        }
    }
}

/// What is known of a call before any of its options is looked at.
struct Context<'a> {
    request: &'a Request,
    api: Api,
    called: &'static Called,
    /// What stands in the path for the braces of the route.
    name: String,
    query: query::Query,
    /// A parameter of the request that a newer daemon than those that are known may read.
    stranger: Option<String>,
}

impl<'a> Provenance<'a> {
    #[must_use]
    pub fn new(
        plan: &'a Plan,
        trace: &'a Trace,
        symbols: &'a BTreeMap<ImageAddr, Vec<String>>,
    ) -> Self {
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
                let schema = function.params.get(option.parameter);
                let parameter = schema.map_or("", |s| s.name.as_str());
                let origin = match &context {
                    Ok(context) => self.origin(context, call, parameter, &option),
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
        let (route, name) = route_of(request)?;
        let function = self.plan.functions.get(call.func as usize);
        let symbol = function.map_or("", |f| f.name.as_str());
        let api = Api::of(request.api_version.as_deref(), symbol)
            .ok_or(Unknown::NotUnderstood(NotUnderstood::Foreign))?;
        let called =
            route
                .called(symbol)
                .ok_or(Unknown::NotUnderstood(NotUnderstood::Function {
                    method: route.method,
                    path: route.path,
                }))?;
        let query = query::Query::parse(&request.query).map_err(Unknown::Query)?;
        // handlers of the releases that are known read no parameter that is not in the table
        let stranger = query
            .names()
            .find(|n| !api.is_known() && route.reader(n) == Reader::Nothing)
            .map(str::to_owned);
        Ok(Context {
            request,
            api,
            called,
            name,
            query,
            stranger,
        })
    }

    fn origin(
        &self,
        context: &Context<'_>,
        call: &Call,
        parameter: &str,
        option: &OptionValue<'_>,
    ) -> Origin {
        let value = option.value;
        // two secrets look the same once they are hidden
        if value.is_masked() {
            return Origin::Unknown(Unknown::Masked);
        }
        if !value.is_whole() {
            return Origin::Unknown(match value.why_missing() {
                Some(why) => Unknown::Value(why.clone()),
                None => Unknown::PartOfValue,
            });
        }
        let Some(source) = source_of(context.called, parameter, option.field) else {
            return not_understood(NotUnderstood::Option {
                option: option.field.unwrap_or(parameter).to_owned(),
            });
        };
        let by_daemon = || self.by_daemon(context, call, value);
        let elsewhere = |where_| Origin::Unknown(Unknown::Elsewhere(where_));
        match source {
            Source::Query(parameter, conversion) => {
                self.by_query(context, call, parameter, conversion, value)
            }
            Source::Since(parameter, conversion, gate) => {
                match (context.query.get(parameter), reads(context.api, gate)) {
                    (Sent::No, _) if !body::may_be_form(context.request) => by_daemon(),
                    (_, Some(false)) => by_daemon(),
                    (_, None) => Origin::Unknown(Unknown::Version { parameter }),
                    (_, Some(true)) => self.by_query(context, call, parameter, conversion, value),
                }
            }
            Source::Filters(parameter, additions) => {
                self.by_filters(context, call, parameter, additions, value)
            }
            Source::Path => match Expected::Text(context.name.clone()).fit(value) {
                Fit::Same => path(&context.name),
                Fit::Other => path_mismatch(&context.name, value),
                Fit::Incomparable => not_understood(NotUnderstood::Form),
            },
            Source::Resolved => match Expected::Text(context.name.clone()).fit(value) {
                Fit::Same => path(&context.name),
                Fit::Other => elsewhere(Elsewhere::Lookup),
                Fit::Incomparable => not_understood(NotUnderstood::Form),
            },
            Source::PathFilter => self.by_path_filter(context, call, value),
            Source::ApiVersion => match &context.request.api_version {
                Some(version) => match Expected::Text(version.clone()).fit(value) {
                    Fit::Same => path(version),
                    Fit::Other => path_mismatch(version, value),
                    Fit::Incomparable => not_understood(NotUnderstood::Form),
                },
                None => elsewhere(Elsewhere::OwnVersion),
            },
            Source::Below(gate) => {
                let chosen = context.api.at_least(gate).map(|reached| !reached);
                self.by_version(context, call, chosen, value)
            }
            Source::AtLeast(gate) => {
                self.by_version(context, call, context.api.at_least(gate), value)
            }
            Source::Daemon => by_daemon(),
            Source::Body if body::is_none(context.request) => by_daemon(),
            Source::BodyBelow(gate)
                if context.api.at_least(gate) == Some(true)
                    || body::is_at_most(context.request, EMPTY_OBJECT) =>
            {
                by_daemon()
            }
            Source::Body | Source::BodyBelow(_) => elsewhere(Elsewhere::Body),
            Source::Headers => elsewhere(Elsewhere::Headers),
        }
    }

    fn by_query(
        &self,
        context: &Context<'_>,
        call: &Call,
        parameter: &'static str,
        conversion: Conversion,
        value: &Value,
    ) -> Origin {
        let unknown = Origin::Unknown;
        if body::may_be_form(context.request) {
            return unknown(Unknown::Form);
        }
        let sent = match context.query.get(parameter) {
            Sent::Unknown(end) => return unknown(Unknown::Captured(end.clone())),
            Sent::First(_, end) if conversion.reads_all() => {
                return unknown(Unknown::Captured(end.clone()));
            }
            // of a parameter that is repeated the first value counts
            Sent::First(values, _) | Sent::All(values) if !conversion.reads_all() => {
                values.get(..1).unwrap_or_default()
            }
            Sent::First(values, _) | Sent::All(values) => values,
            Sent::No => return self.by_daemon(context, call, value),
        };
        let shown = sent.join(",");
        let made = match convert(conversion, sent, value) {
            Ok(Converted::AsAbsent) => return self.by_daemon(context, call, value),
            Ok(Converted::Values(made)) => made,
            Err(Unconverted::Opaque) => {
                return not_understood(NotUnderstood::Conversion { parameter });
            }
            Err(why) => {
                return unknown(Unknown::Unconverted {
                    parameter: parameter.to_owned(),
                    sent: shown,
                    why,
                });
            }
        };
        let fits: Vec<Fit> = made.iter().map(|made| made.fit(value)).collect();
        if value.is_zero() && context.query.may_be_unread() {
            unknown(Unknown::MayBeUnread)
        } else if fits.contains(&Fit::Same) {
            query_of(parameter, &shown)
        } else if conversion == Conversion::RaisedBool && *value == Value::Bool(true) {
            self.by_daemon(context, call, value)
        } else {
            mismatch(parameter, shown, made, &fits, value)
        }
    }

    /// Filters of a parameter, and what the handler adds to them, which not every release does.
    fn by_filters(
        &self,
        context: &Context<'_>,
        call: &Call,
        parameter: &'static str,
        additions: &[Addition],
        value: &Value,
    ) -> Origin {
        let unknown = Origin::Unknown;
        if body::may_be_form(context.request) {
            return unknown(Unknown::Form);
        }
        let first = |parameter: &str| match context.query.get(parameter) {
            Sent::Unknown(end) => Err(Unknown::Captured(end.clone())),
            Sent::First(values, _) | Sent::All(values) => Ok(values.first().cloned()),
            Sent::No => Ok(None),
        };
        let sent = match first(parameter) {
            Ok(sent) => sent,
            Err(why) => return unknown(why),
        };
        if value.is_zero() && context.query.may_be_unread() {
            return unknown(Unknown::MayBeUnread);
        }
        let base = match convert::filters(sent.as_deref().unwrap_or_default()) {
            Ok(base) => base,
            Err(why) => {
                return unknown(Unknown::Unconverted {
                    parameter: parameter.to_owned(),
                    sent: sent.unwrap_or_default(),
                    why,
                });
            }
        };
        let expected = Expected::Filters(base.clone());
        let mut parts: Vec<Origin> = sent.iter().map(|s| query_of(parameter, s)).collect();
        let fit = match expected.fit(value) {
            Fit::Incomparable => return not_understood(NotUnderstood::Form),
            // the zero value, or what a function of the daemon made
            _ if parts.is_empty() && value.is_zero() => {
                return self.by_daemon(context, call, value);
            }
            fit => fit,
        };
        if fit == Fit::Same && !parts.is_empty() {
            return parts.remove(0);
        }
        for addition in additions {
            if context.api.at_least(addition.below) == Some(true) {
                continue;
            }
            let (added, origin) = match addition.value {
                Added::Constant(text) => (text.to_owned(), self.by_daemon(context, call, value)),
                Added::Parameter(name) => match first(name) {
                    Ok(Some(text)) if !text.is_empty() => (text.clone(), query_of(name, &text)),
                    Ok(_) => continue,
                    Err(why) => return unknown(why),
                },
            };
            let with = add(base.clone(), addition.key, &added);
            if Expected::Filters(with).fit(value) == Fit::Same {
                parts.push(origin);
                return several(parts);
            }
        }
        match sent {
            Some(sent) => mismatch(parameter, sent, vec![expected], &[fit], value),
            None => self.by_daemon(context, call, value),
        }
    }

    /// A filter for what stands in the path, in newer releases with the scope that the query asks
    /// for.
    fn by_path_filter(&self, context: &Context<'_>, call: &Call, value: &Value) -> Origin {
        let scope = match context.query.get(SCOPE) {
            Sent::Unknown(end) => return Origin::Unknown(Unknown::Captured(end.clone())),
            Sent::First(values, _) | Sent::All(values) => {
                values.first().filter(|scope| !scope.is_empty())
            }
            Sent::No => None,
        };
        for key in ["idOrName", "id"] {
            let by_path = add(Filters::new(), key, &context.name);
            match Expected::Filters(by_path.clone()).fit(value) {
                Fit::Same => return path(&context.name),
                Fit::Incomparable => return not_understood(NotUnderstood::Form),
                Fit::Other => {}
            }
            if let Some(scope) = scope
                && Expected::Filters(add(by_path, SCOPE, scope)).fit(value) == Fit::Same
            {
                return several(vec![path(&context.name), query_of(SCOPE, scope)]);
            }
        }
        self.by_daemon(context, call, value)
    }

    /// A boolean that the handler chooses by the API version; `chosen`: as far as that is known.
    fn by_version(
        &self,
        context: &Context<'_>,
        call: &Call,
        chosen: Option<bool>,
        value: &Value,
    ) -> Origin {
        match (chosen, context.api.told) {
            (Some(chosen), Some(version))
                if Expected::Bool(chosen).fit(value) == Fit::Other && context.api.is_known() =>
            {
                let found = Expected::Bool(!chosen);
                Origin::Unknown(Unknown::VersionMismatch { version, found })
            }
            _ => self.by_daemon(context, call, value),
        }
    }

    /// Of a value that no parameter of the request sets.
    fn by_daemon(&self, context: &Context<'_>, call: &Call, value: &Value) -> Origin {
        if let Some(end) = context.query.end() {
            return Origin::Unknown(Unknown::Captured(end.clone()));
        }
        if let Some(parameter) = context.stranger.clone() {
            return Origin::Unknown(Unknown::Stranger { parameter });
        }
        if value.is_zero() {
            return Origin::Default;
        }
        match maker::of(self.plan, self.trace, self.symbols, call, context.called) {
            Some(by) => Origin::HardCoded { by },
            None => Origin::Unknown(Unknown::Maker),
        }
    }
}

/// Parameters of a request to this daemon that its handler certainly does not read.
#[must_use]
pub fn unread(plan: &Plan, request: &Request) -> Vec<Unread> {
    let mut symbols = plan.functions.iter().map(|f| f.name.as_str());
    let told = request.api_version.as_deref();
    let known = symbols
        .find_map(|symbol| Api::of(told, symbol))
        .filter(|api| api.is_known());
    let (Some(api), Ok((route, _)), Ok(query)) = (
        known,
        route_of(request),
        query::Query::parse(&request.query),
    ) else {
        return Vec::new();
    };
    query
        .names()
        .filter_map(|name| {
            let why = match route.reader(name) {
                Reader::Nothing => WhyUnread::NotOfRoute,
                Reader::Since(since) if api.at_least(since) == Some(false) => {
                    WhyUnread::Before(since)
                }
                Reader::Below(until) if api.at_least(until) == Some(true) => WhyUnread::From(until),
                Reader::Always | Reader::Since(_) | Reader::Below(_) => return None,
            };
            Some(Unread {
                parameter: name.to_owned(),
                why,
            })
        })
        .collect()
}

/// Bytes of the shortest object that `POST /containers/{name}/start` takes for one.
const EMPTY_OBJECT: u64 = 7;

/// The route of a request, and what stands in its path for the braces.
fn route_of(request: &Request) -> Result<(&'static Route, String), Unknown> {
    fn whole(text: &Text) -> Result<&str, Unknown> {
        match text.why() {
            Some(why) => Err(Unknown::Path(why.clone())),
            None => text
                .whole_str()
                .ok_or(Unknown::NotUnderstood(NotUnderstood::Path)),
        }
    }
    let (method, path) = (whole(&request.method)?, whole(&request.path)?);
    Route::of(method, path).ok_or_else(|| {
        Unknown::NotUnderstood(NotUnderstood::Route {
            method: method.to_owned(),
            path: split_version(path).1.to_owned(),
        })
    })
}

/// What the table says of a parameter, or of a field of the struct that it is.
fn source_of(called: &Called, parameter: &str, field: Option<&str>) -> Option<Source> {
    let named = |wanted: &str| {
        let mut options = called.options.iter();
        options
            .find(|(name, _)| *name == wanted)
            .map(|(_, source)| *source)
    };
    let whole = || {
        named(parameter).filter(|source| {
            // fields come from where the struct comes from, unless it is put together of several
            // parameters
            field.is_none()
                || matches!(
                    source,
                    Source::Body | Source::BodyBelow(_) | Source::Headers
                )
        })
    };
    field.and_then(named).or_else(whole).or_else(|| named("*"))
}

/// Whether a handler reads a parameter of an option that this daemon has; `None`: not known.
fn reads(api: Api, gate: Gate) -> Option<bool> {
    match api.at_least(gate.since) {
        // without a version in its path a request is handled by the daemon's newest
        None if gate.with_option => Some(true),
        known => known,
    }
}

fn add(mut filters: Filters, key: &str, value: &str) -> Filters {
    let set = filters.entry(key.to_owned()).or_default();
    set.insert(value.to_owned(), true);
    filters
}

fn not_understood(what: NotUnderstood) -> Origin {
    Origin::Unknown(Unknown::NotUnderstood(what))
}

fn path(part: &str) -> Origin {
    Origin::Path {
        part: part.to_owned(),
    }
}

fn query_of(parameter: &str, sent: &str) -> Origin {
    Origin::Query {
        parameter: parameter.to_owned(),
        sent: sent.to_owned(),
    }
}

/// One that is not known makes all of it not known.
fn several(mut parts: Vec<Origin>) -> Origin {
    match parts.iter().position(|p| matches!(p, Origin::Unknown(_))) {
        Some(at) => parts.remove(at),
        None if parts.len() == 1 => parts.remove(0),
        None => Origin::Several(parts),
    }
}

fn path_mismatch(part: &str, value: &Value) -> Origin {
    match Expected::found(value) {
        Some(found) => Origin::Unknown(Unknown::PathMismatch {
            part: part.to_owned(),
            found,
        }),
        None => not_understood(NotUnderstood::Form),
    }
}

/// The parameter makes another value than the call has, if the two can be compared.
fn mismatch(
    parameter: &str,
    sent: String,
    made: Vec<Expected>,
    fits: &[Fit],
    value: &Value,
) -> Origin {
    let comparable = !fits.contains(&Fit::Incomparable);
    match (made.into_iter().next(), Expected::found(value)) {
        (Some(makes), Some(found)) if comparable => Origin::Unknown(Unknown::Mismatch {
            parameter: parameter.to_owned(),
            sent,
            makes,
            found,
        }),
        _ => not_understood(NotUnderstood::Form),
    }
}

#[cfg(test)]
pub mod examples;
#[cfg(test)]
mod tests;
