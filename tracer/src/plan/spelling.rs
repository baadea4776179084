//! Types as the catalogue spells them: parsed, compared with a binary's types, and looked up there.

use super::candidate::TypeRef;
use super::text::type_text;
use crate::gobin::symbol::unvendored;
use crate::gobin::{Error, GoBinary, TypeId, TypeKind};

/// A type expression. Paths are complete, but for a leading `~/` (moby's import path).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spelling {
    Named(String),
    Pointer(Box<Spelling>),
    Slice(Box<Spelling>),
    Map(Box<Spelling>, Box<Spelling>),
    /// Any function type.
    Func,
    /// Any interface type.
    Interface,
    /// Struct with one field of this type.
    Struct(Box<Spelling>),
}

impl Spelling {
    /// Parses Go's spelling; `None`: not one of the forms that the catalogue uses.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(elem) = text.strip_prefix('*') {
            return Some(Self::Pointer(Box::new(Self::parse(elem)?)));
        }
        if let Some(elem) = text.strip_prefix("[]") {
            return Some(Self::Slice(Box::new(Self::parse(elem)?)));
        }
        if let Some(rest) = text.strip_prefix("map[") {
            let (key, elem) = rest.split_once(']')?;
            return Some(Self::Map(
                Box::new(Self::parse(key)?),
                Box::new(Self::parse(elem)?),
            ));
        }
        if let Some(rest) = text.strip_prefix("struct{") {
            return Some(Self::Struct(Box::new(Self::parse(
                rest.strip_suffix('}')?,
            )?)));
        }
        match text {
            "func" => Some(Self::Func),
            "interface" => Some(Self::Interface),
            _ => (!text.is_empty() && !text.contains(['(', ')', '{', '[', ' ', ',']))
                .then(|| Self::Named(text.to_owned())),
        }
    }

    /// As Go's descriptors spell it: package names instead of import paths.
    fn short(&self) -> String {
        match self {
            Self::Named(path) => path.rsplit('/').next().unwrap_or(path).to_owned(),
            Self::Pointer(elem) => format!("*{}", elem.short()),
            Self::Slice(elem) => format!("[]{}", elem.short()),
            Self::Map(key, elem) => format!("map[{}]{}", key.short(), elem.short()),
            Self::Func => "func".to_owned(),
            Self::Interface => "interface".to_owned(),
            Self::Struct(field) => format!("struct{{{}}}", field.short()),
        }
    }
}

/// Where the catalogue's paths lie in one binary.
#[derive(Clone, Copy)]
pub struct Scope<'s, 'data> {
    pub binary: &'s GoBinary<'data>,
    /// moby's import path; empty where the function is not moby's.
    pub root: &'s str,
    /// Declared kinds of types that may have no descriptor.
    pub declared: &'s [(String, Spelling)],
}

impl Scope<'_, '_> {
    /// Full name without vendoring.
    fn full(&self, path: &str) -> String {
        match path.strip_prefix("~/") {
            // the API is a module of its own from v29 on
            Some(rest) if rest.starts_with("api/") && self.root.ends_with("/v2") => {
                format!("{}/{rest}", self.root.trim_end_matches("/v2"))
            }
            Some(rest) => format!("{}/{rest}", self.root),
            None => path.to_owned(),
        }
    }

    /// Whether a type of the binary is the one that is spelled.
    #[must_use]
    pub fn fits(&self, spelling: &Spelling, id: TypeId) -> bool {
        let Ok(ty) = self.binary.type_by_id(id) else {
            return false;
        };
        match (spelling, &ty.kind) {
            (Spelling::Named(path), _) => unvendored(&ty.name) == self.full(path),
            (Spelling::Pointer(of), TypeKind::Pointer { elem })
            | (Spelling::Slice(of), TypeKind::Slice { elem }) => !ty.named && self.fits(of, *elem),
            (Spelling::Map(k, v), TypeKind::Map { key, elem, .. }) => {
                !ty.named && self.fits(k, *key) && self.fits(v, *elem)
            }
            (Spelling::Func, TypeKind::Func { .. })
            | (Spelling::Interface, TypeKind::Interface { .. }) => true,
            (Spelling::Struct(of), TypeKind::Struct { fields }) => {
                matches!(fields.as_slice(), [field] if self.fits(of, field.ty))
            }
            _ => false,
        }
    }

    /// Whether a type of a signature is the one that is spelled.
    #[must_use]
    pub fn fits_ref(&self, spelling: &Spelling, ty: &TypeRef) -> bool {
        match (ty, spelling) {
            (TypeRef::Id(id), _) => self.fits(spelling, *id),
            (TypeRef::Pointer(id), Spelling::Pointer(of)) => self.fits(of, *id),
            (TypeRef::Pointer(_), _) => false,
            _ => type_text(self.binary, ty) == spelling.short(),
        }
    }

    /// Looks a type up; where it has no descriptor, its shape as far as the spelling tells; `None`:
    /// unknown.
    ///
    /// # Errors
    /// Type data of the binary is damaged.
    pub fn resolve(&self, spelling: &Spelling) -> Result<Option<TypeRef>, Error> {
        let text = spelling.short();
        Ok(match spelling {
            Spelling::Named(path) => {
                let declared = self.declared.iter().find(|(name, _)| name == path);
                match declared.map(|(_, kind)| kind) {
                    Some(Spelling::Func) => return Ok(Some(TypeRef::Word(text))),
                    Some(Spelling::Struct(field)) => {
                        return Ok(self
                            .resolve(field)?
                            .map(|inner| TypeRef::Wrapped(text, Box::new(inner))));
                    }
                    _ => {}
                }
                match (self.named(path)?, declared) {
                    (Some(id), _) => Some(TypeRef::Id(id)),
                    (None, Some((_, Spelling::Interface))) => Some(TypeRef::Iface(text)),
                    (None, Some((_, Spelling::Named(_)))) if text != "error" => {
                        // a small named number: its underlying type
                        match declared {
                            Some((_, underlying)) => self.resolve(underlying)?,
                            None => None,
                        }
                    }
                    (None, _) if text == "error" => Some(TypeRef::Iface(text)),
                    (None, _) if text == "unsafe.Pointer" => Some(TypeRef::Word(text)),
                    _ => None,
                }
            }
            Spelling::Pointer(of) => Some(match &**of {
                Spelling::Named(path) => match self.named(path)? {
                    Some(id) => TypeRef::Pointer(id),
                    None => TypeRef::Word(text),
                },
                _ => TypeRef::Word(text),
            }),
            Spelling::Slice(_) => Some(match self.unnamed(&text, spelling)? {
                Some(id) => TypeRef::Id(id),
                None => TypeRef::Slice(text),
            }),
            Spelling::Map(..) => Some(match self.unnamed(&text, spelling)? {
                Some(id) => TypeRef::Id(id),
                None => TypeRef::Word(text),
            }),
            Spelling::Func => Some(TypeRef::Word(text)),
            Spelling::Interface => Some(TypeRef::Iface(text)),
            Spelling::Struct(field) => self
                .resolve(field)?
                .map(|inner| TypeRef::Wrapped(text, Box::new(inner))),
        })
    }

    fn named(&self, path: &str) -> Result<Option<TypeId>, Error> {
        let full = self.full(path);
        let found = self.binary.types_named(&full)?;
        if let Some(id) = found.first() {
            return Ok(Some(*id));
        }
        if self.root.is_empty() || !full.contains('.') || !full.contains('/') {
            return Ok(None);
        }
        let vendored = format!("{}/vendor/{full}", self.root);
        Ok(self.binary.types_named(&vendored)?.first().copied())
    }

    fn unnamed(&self, text: &str, spelling: &Spelling) -> Result<Option<TypeId>, Error> {
        Ok(self
            .binary
            .types_named(text)?
            .into_iter()
            .find(|id| self.fits(spelling, *id)))
    }
}

#[cfg(test)]
mod tests {
    use super::Spelling;

    #[test]
    fn spellings_of_types() {
        for text in [
            "*types.Container",
            "[]*types.Container",
            "map[string][]string",
            "error",
        ] {
            let parsed = Spelling::parse(text).expect(text);
            assert_eq!(parsed.short(), text);
        }
        assert_eq!(
            Spelling::parse("~/api/types.Container").map(|s| s.short()),
            Some("types.Container".into())
        );
        assert_eq!(Spelling::parse("func(int) error"), None);
        assert_eq!(Spelling::parse(""), None);
    }
}
