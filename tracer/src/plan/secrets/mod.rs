//! What of a plan's values is secret: by field, by type and by place in the API, and by nothing
//! else. How much of a value a policy wants has no say in it, so no policy can forget it.
//!
//! Marks are made from the plan itself whenever it is decoded: recordings of older builds are
//! masked by today's rules.

mod names;

pub use names::{
    ENVIRONMENTS, HARMLESS_HEADERS, SECRET_PARTS, SECRET_WORDS, is_build_arguments, is_environment,
    is_harmless_header, is_headers, is_variable_part, says_secret,
};

use super::schema::{FuncSchema, Plan, Secret, TypeKindSchema, TypeSchema, ValueSchema};
use crate::moby::secrets::{self, Hidden};

/// Types whose values are secret wherever they occur, by package and name.
const TYPES: &[(&str, Secret)] = &[
    ("http.Header", Secret::HeaderValues),
    ("textproto.MIMEHeader", Secret::HeaderValues),
    ("url.Userinfo", Secret::All),
    // net/http takes them from a pool: behind their content stand pieces of what others sent and
    // were answered
    ("bufio.Reader", Secret::All),
    ("bufio.Writer", Secret::All),
];
/// Names of types, in any package, whose values are secret.
const TYPE_NAMES: &[(&str, Secret)] = &[("PrivateKey", Secret::All)];
/// Fields of a type of that name, in any package.
const FIELDS: &[(&str, &str, Secret)] = &[("URL", "RawQuery", Secret::Query)];

/// Types of values that are secret where only their function's name says so.
const TEXTS: &[&str] = &["string", "[]uint8"];

impl From<Hidden> for Secret {
    fn from(hidden: Hidden) -> Self {
        match hidden {
            Hidden::Nothing => Self::None,
            Hidden::All => Self::All,
            Hidden::Variables => Self::EnvValue,
        }
    }
}

/// How each type, field, parameter and result of a plan is masked.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    types: Vec<Secret>,
    fields: Vec<Vec<Secret>>,
    parameters: Vec<Vec<Secret>>,
    results: Vec<Vec<Secret>>,
}

impl Marks {
    /// The marks of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let values = |f: &FuncSchema, values: &[ValueSchema], is_result: bool| -> Vec<Secret> {
            values
                .iter()
                .map(|v| {
                    let ty = plan.types.get(v.ty as usize);
                    of_place(f, v, ty.map_or("", |t| &t.name), is_result)
                })
                .collect()
        };
        Self {
            types: plan.types.iter().map(|t| of_type(&t.name)).collect(),
            fields: plan.types.iter().map(of_fields).collect(),
            parameters: plan
                .functions
                .iter()
                .map(|f| values(f, &f.params, false))
                .collect(),
            results: plan
                .functions
                .iter()
                .map(|f| values(f, &f.results, true))
                .collect(),
        }
    }

    /// How values of a type are masked; index into `Plan::types`.
    #[must_use]
    pub fn ty(&self, ty: u32) -> Secret {
        self.types.get(ty as usize).copied().unwrap_or_default()
    }

    /// How the fields of a type are masked, in order; empty: it is no struct.
    #[must_use]
    pub fn fields(&self, ty: u32) -> &[Secret] {
        self.fields.get(ty as usize).map_or(&[], Vec::as_slice)
    }

    /// How the parameters of a function are masked; index into `Plan::functions`.
    #[must_use]
    pub fn parameters(&self, func: u32) -> &[Secret] {
        self.parameters
            .get(func as usize)
            .map_or(&[], Vec::as_slice)
    }

    /// How its results are.
    #[must_use]
    pub fn results(&self, func: u32) -> &[Secret] {
        self.results.get(func as usize).map_or(&[], Vec::as_slice)
    }
}

/// How a field is masked, by its own name and its struct's.
#[must_use]
pub fn of_field(ty: &str, field: &str) -> Secret {
    let (_, ty) = split(ty);
    let docker = secrets::FIELDS
        .iter()
        .map(|(t, f, hidden)| (*t, *f, (*hidden).into()));
    let mut listed = FIELDS.iter().copied().chain(docker);
    listed
        .find(|(t, f, _)| *t == ty && *f == field)
        .map_or_else(|| of_name(field), |(_, _, secret)| secret)
}

/// How a value is masked by its name alone.
#[must_use]
pub fn of_name(name: &str) -> Secret {
    let name = name.as_bytes();
    if says_secret(name) {
        Secret::All
    } else if is_environment(name) {
        Secret::EnvValue
    } else if is_build_arguments(name) {
        Secret::Values
    } else if is_headers(name) {
        Secret::HeaderValues
    } else {
        Secret::None
    }
}

fn of_fields(ty: &TypeSchema) -> Vec<Secret> {
    match &ty.kind {
        TypeKindSchema::Struct { fields, .. } => fields
            .iter()
            // what an older build marked stays marked
            .map(|f| of_field(&ty.name, &f.name).or(f.secret))
            .collect(),
        _ => Vec::new(),
    }
}

fn of_type(name: &str) -> Secret {
    let (package, name) = split(name);
    let named = TYPE_NAMES.iter().find(|(n, _)| *n == name);
    TYPES
        .iter()
        .find(|(full, _)| {
            full.strip_suffix(name).and_then(|p| p.strip_suffix('.')) == Some(package)
        })
        .or(named)
        .map_or(Secret::None, |(_, secret)| *secret)
}

fn of_place(f: &FuncSchema, value: &ValueSchema, ty: &str, is_result: bool) -> Secret {
    let place = secrets::PLACES
        .iter()
        .find(|p| p.is_result == is_result && p.ty == ty && f.name.ends_with(p.function));
    let called = f.short.as_bytes();
    match place {
        Some(place) => place.hidden.into(),
        // `refreshToken() string`, `GetUnlockKey() (string, error)`, `CreateDaemonEnvironment()
        // []string`
        None if is_result && ty != "error" => match of_name(&f.short) {
            Secret::All if !holds(called, b"secret") => Secret::All,
            Secret::EnvValue => Secret::EnvValue,
            _ => of_name(&value.name),
        },
        // `SetRefreshToken(*url.URL, string, string)`
        None if is_positional(&value.name) && TEXTS.contains(&ty) && !holds(called, b"secret") => {
            match of_name(&f.short) {
                Secret::All => Secret::All,
                _ => Secret::None,
            }
        }
        None => of_name(&value.name),
    }
}

/// Whether a parameter has no name in the binary: `arg2`.
fn is_positional(name: &str) -> bool {
    let digits = name.strip_prefix("arg");
    digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a name holds a word, letter case aside. What swarm calls a secret is a whole object: its
/// data is a field of its own.
fn holds(name: &[u8], word: &[u8]) -> bool {
    name.windows(word.len())
        .any(|w| w.eq_ignore_ascii_case(word))
}

/// `http` and `Header` of `net/http.Header`.
fn split(name: &str) -> (&str, &str) {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split_once('.').unwrap_or(("", last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_by_name_and_by_type() {
        let check = |ty, field, secret| assert_eq!(of_field(ty, field), secret, "{ty}.{field}");
        check("a/registry.AuthConfig", "Password", Secret::All);
        check("a/registry.AuthConfig", "Username", Secret::None);
        check("a/container.Config", "Env", Secret::EnvValue);
        check("a/swarm.SecretSpec", "Data", Secret::All);
        check("a/other.Spec", "Data", Secret::None);
        check("net/url.URL", "RawQuery", Secret::Query);
        check("net/http.Request", "Header", Secret::HeaderValues);
        check("a/system.PluginsInfo", "Authorization", Secret::None);
        check("a/build.Options", "BuildArgs", Secret::Values);
    }

    #[test]
    fn types_wherever_they_occur() {
        assert_eq!(of_type("net/http.Header"), Secret::HeaderValues);
        assert_eq!(of_type("http.Header"), Secret::HeaderValues);
        assert_eq!(of_type("x/nothttp.Header"), Secret::None);
        assert_eq!(of_type("crypto/rsa.PrivateKey"), Secret::All);
        assert_eq!(of_type("bufio.Writer"), Secret::All);
        assert_eq!(of_type("x/csv.Writer"), Secret::None);
        assert_eq!(of_type("map[string][]string"), Secret::None);
    }
}
