//! Which names say that a value is secret. Names of fields, parameters, options, labels, headers,
//! variables and flags are judged by the same lists; `docs/secrets.md` shows them.

use crate::moby::secrets::{HARMLESS, HEADERS, NAME_PARTS};

/// A name that holds one of these, or of docker's own ([`NAME_PARTS`]), letter case and punctuation
/// aside, says secret.
pub const SECRET_PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "credential",
    "authorization",
    "cookie",
    "signingkey",
    "privatekey",
    "accesskey",
    "apikey",
    "authkey",
    "encryptionkey",
    "sharedkey",
    "accountkey",
    "masterkey",
    "clientkey",
    "tlskey",
    "sshkey",
    "connectionstring",
];
/// A name whose last word is one of these says secret.
pub const SECRET_WORDS: &[&str] = &["auth", "pass", "pwd", "cred", "creds", "pat"];
/// A name whose last word is one of these says where a secret is, not what it is.
pub const PLACE_WORDS: &[&str] = &["file", "path", "dir", "stdin", "fd"];
/// Last words of names of environments.
pub const ENVIRONMENTS: &[&str] = &["env", "envs", "environ", "environment", "envvars"];
/// Names of build arguments.
pub const BUILD_ARGUMENTS: &[&str] = &["buildargs", "buildarg", "buildarguments"];
/// HTTP headers whose values are no secrets; those of all others are.
pub const HARMLESS_HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "date",
    "host",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
/// Longest name that is judged; a longer one is no name.
const MOST_NAME: usize = 256;

/// Whether a name says that its value is secret.
#[must_use]
pub fn says_secret(name: &[u8]) -> bool {
    if name.is_empty() || name.len() > MOST_NAME || HARMLESS.iter().any(|h| h.as_bytes() == name) {
        return false;
    }
    let last = last_word(name);
    if is_one_of(PLACE_WORDS, &last) {
        return false;
    }
    let plain: Vec<u8> = name
        .iter()
        .filter(|b| b.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase)
        .collect();
    is_one_of(SECRET_WORDS, &last)
        || SECRET_PARTS
            .iter()
            .chain(NAME_PARTS)
            .any(|part| plain.windows(part.len()).any(|w| w == part.as_bytes()))
        || HEADERS.iter().any(|start| {
            name.get(..start.len())
                .is_some_and(|n| n.eq_ignore_ascii_case(start.as_bytes()))
        })
}

/// Whether a name is that of an environment.
#[must_use]
pub fn is_environment(name: &[u8]) -> bool {
    is_one_of(ENVIRONMENTS, &last_word(name))
}

/// Whether a field of a variable is not its value (`PluginEnv`).
#[must_use]
pub fn is_variable_part(field: &[u8]) -> bool {
    ["name", "key", "description", "settable"]
        .iter()
        .any(|part| part.as_bytes().eq_ignore_ascii_case(field))
}

/// Whether a name is that of build arguments.
#[must_use]
pub fn is_build_arguments(name: &[u8]) -> bool {
    let plain: Vec<u8> = name
        .iter()
        .filter(|b| !matches!(b, b'-' | b'_'))
        .map(u8::to_ascii_lowercase)
        .collect();
    is_one_of(BUILD_ARGUMENTS, &plain)
}

/// Whether a name is that of HTTP headers (`Header`, `metaHeaders`).
#[must_use]
pub fn is_headers(name: &[u8]) -> bool {
    is_one_of(&["header", "headers"], &last_word(name))
}

/// Whether a header of that name holds no secret.
#[must_use]
pub fn is_harmless_header(name: &[u8]) -> bool {
    HARMLESS_HEADERS
        .iter()
        .any(|h| h.as_bytes().eq_ignore_ascii_case(name))
}

fn is_one_of(list: &[&str], word: &[u8]) -> bool {
    list.iter().any(|one| one.as_bytes() == word)
}

/// The last word in lower case: words end at punctuation, and where a capital follows a small
/// letter.
fn last_word(name: &[u8]) -> Vec<u8> {
    let end = name
        .iter()
        .rposition(u8::is_ascii_alphanumeric)
        .map_or(0, |at| at + 1);
    let mut start = end;
    while start > 0 {
        let (before, here) = (name[start - 1], name.get(start).copied().unwrap_or(b'a'));
        if !before.is_ascii_alphanumeric()
            || (start < end && here.is_ascii_uppercase() && !before.is_ascii_uppercase())
        {
            break;
        }
        start -= 1;
    }
    name[start..end].to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_secret() {
        for name in [
            "Password",
            "MYSQL_ROOT_PASSWORD",
            "db.pass",
            "splunk-token",
            "token",
            "JoinTokens",
            "X-Registry-Auth",
            "X-Meta-Anything",
            "encodedAuth",
            "EncodedRegistryAuth",
            "Auth",
            "UnlockKey",
            "signingCAKey",
            "aws_secret_access_key",
            "Proxy-Authorization",
            "Set-Cookie",
            "api_key",
            "github.PAT",
        ] {
            assert!(says_secret(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn the_document_lists_them() {
        let document = include_str!("../../../../docs/secrets.md");
        for name in [
            SECRET_PARTS,
            NAME_PARTS,
            SECRET_WORDS,
            PLACE_WORDS,
            HARMLESS,
        ]
        .concat()
        {
            assert!(document.contains(&format!("`{name}`")), "{name}");
        }
        let document = document.to_lowercase();
        for name in [HARMLESS_HEADERS, HEADERS].concat() {
            assert!(document.contains(&format!("`{name}")), "{name}");
        }
    }

    #[test]
    fn harmless_names_do_not() {
        for name in [
            "",
            "Name",
            "SecretName",
            "SecretID",
            "Secrets",
            "password-stdin",
            "POSTGRES_PASSWORD_FILE",
            "tokenPath",
            "AuthorizationPlugins",
            "authConfig",
            "author",
            "AuthConfigs",
            "Username",
            "com.example.owner",
            "SecurityOpt",
            "passthrough",
            "compass",
            "keep",
            "Pattern",
        ] {
            assert!(!says_secret(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn environments_and_build_arguments() {
        for name in [
            "Env",
            "linkedEnv",
            "CreateDaemonEnvironment",
            "container_env",
        ] {
            assert!(is_environment(name.as_bytes()), "{name}");
        }
        assert!(!is_environment(b"Envelope") && !is_environment(b"EnvID"));
        assert!(is_build_arguments(b"BuildArgs") && is_build_arguments(b"build-arg"));
        assert!(is_headers(b"metaHeaders") && !is_headers(b"HeaderCount"));
    }
}
