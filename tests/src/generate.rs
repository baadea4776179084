//! Go methods whose signatures are made by chance, and calls of each with values made by chance:
//! the other half of `tests/fixtures/go/signatures`. The same seed gives the same program.

use std::fmt::Write as _;

use crate::Numbers;

/// Batches of calls: each is traced in a session of its own.
pub const BATCHES: usize = 3;

const BASICS: [&str; 18] = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "int",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "uint",
    "uintptr",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "string",
    "string",
];
/// Receivers, and the value that the methods are called on: pointers, words, aggregates, floats,
/// arrays, nothing.
const RECEIVERS: [(&str, &str, &str, bool); 12] = [
    ("P0", "struct{ N int }", "&P0{1}", true),
    ("P1", "struct{ A, B string }", "&P1{}", true),
    ("P2", "int8", "new(P2)", true),
    ("P3", "[4]string", "&P3{}", true),
    ("P4", "struct{}", "&P4{}", true),
    ("V0", "struct{ A string; B int8 }", "V0{\"a\", 1}", false),
    ("V1", "int", "V1(7)", false),
    ("V2", "string", "V2(\"v\")", false),
    ("V3", "[2]uint16", "V3{1, 2}", false),
    ("V4", "struct{ P *int }", "V4{new(int)}", false),
    ("V5", "float64", "V5(0.5)", false),
    ("V6", "[]int8", "V6{1}", false),
];

/// Receivers whose methods a batch calls, as they stand in symbols.
#[must_use]
pub fn receivers(batch: usize) -> Vec<String> {
    RECEIVERS
        .iter()
        .enumerate()
        .filter(|(i, _)| i % BATCHES == batch)
        .map(|(_, (name, _, _, pointer))| {
            if *pointer {
                format!("main.(*{name}).F")
            } else {
                format!("main.{name}.F")
            }
        })
        .collect()
}

#[derive(Clone, Debug)]
enum Ty {
    Basic(&'static str),
    /// `T0`, `T1`, …
    Named(usize),
    Array(usize, Box<Ty>),
    Struct(Vec<(String, Ty)>),
    Pointer(Box<Ty>),
    Slice(Box<Ty>),
    Map(&'static str, Box<Ty>),
    /// A type of which only nil is passed.
    Nil(&'static str),
}

struct Maker {
    numbers: Numbers,
    /// Underlying types of the named ones.
    types: Vec<Ty>,
    /// Variables that pointers lead to.
    variables: Vec<String>,
}

/// The source of `generated.go` with that many methods.
#[must_use]
pub fn go_methods(seed: u64, methods: usize) -> String {
    let mut maker = Maker {
        numbers: Numbers(seed.max(1)),
        types: Vec::new(),
        variables: Vec::new(),
    };
    for _ in 0..16 {
        let ty = maker.ty(0);
        maker.types.push(ty);
    }
    let mut out = String::from("package main\n\n");
    for (i, ty) in maker.types.iter().enumerate() {
        let _ = writeln!(out, "type T{i} {}", text(ty));
    }
    let mut interfaces = vec![String::new(); RECEIVERS.len()];
    let mut batches = vec![Vec::new(); BATCHES];
    for i in 0..methods {
        let at = maker.numbers.below(RECEIVERS.len());
        let signature = maker.method(i, at, &mut out);
        let _ = writeln!(interfaces[at], "\t{signature}");
        batches[at % BATCHES].push(format!("c{i}"));
    }
    for ((name, underlying, value, _), list) in RECEIVERS.iter().zip(&interfaces) {
        let _ = writeln!(
            out,
            "type {name} {underlying}\ntype I{name} interface {{\n{list}}}\nvar i{name} I{name} = {value}\n"
        );
    }
    for line in &maker.variables {
        let _ = writeln!(out, "{line}");
    }
    let batches: Vec<String> = batches
        .iter()
        .map(|calls| format!("\t{{{}}},\n", calls.join(", ")))
        .collect();
    let _ = writeln!(out, "\nvar batches = [][]func(){{\n{}}}", batches.concat());
    out
}

impl Maker {
    fn one_in(&mut self, n: usize) -> bool {
        self.numbers.below(n) == 0
    }

    fn basic(&mut self) -> &'static str {
        let at = self.numbers.below(BASICS.len());
        BASICS[at]
    }

    fn ty(&mut self, depth: usize) -> Ty {
        let simple = depth >= 2;
        match self.numbers.below(if simple { 10 } else { 22 }) {
            0..=8 => Ty::Basic(self.basic()),
            9 if !self.types.is_empty() && depth < 2 => {
                Ty::Named(self.numbers.below(self.types.len()))
            }
            9 => Ty::Nil(["interface{}", "error", "func()", "chan int"][self.numbers.below(4)]),
            10 | 11 => {
                let len = [0, 1, 1, 2, 3][self.numbers.below(5)];
                Ty::Array(len, Box::new(self.ty(depth + 1)))
            }
            12..=15 => {
                let fields = self.numbers.below(5);
                Ty::Struct(
                    (0..fields)
                        .map(|i| {
                            if self.one_in(8) {
                                // what is not printed must not be what no probe sees
                                let ty = BASICS[self.numbers.below(12)];
                                ("_".to_owned(), Ty::Basic(ty))
                            } else {
                                (format!("F{i}"), self.ty(depth + 1))
                            }
                        })
                        .collect(),
                )
            }
            16 | 17 => Ty::Pointer(Box::new(self.ty(depth + 1))),
            18..=20 => Ty::Slice(Box::new(self.ty(depth + 1))),
            _ => {
                let key = ["string", "int32", "uint64"][self.numbers.below(3)];
                Ty::Map(key, Box::new(self.ty(depth + 1)))
            }
        }
    }

    /// Writes the method and its call; gives its signature.
    fn method(&mut self, i: usize, receiver: usize, out: &mut String) -> String {
        let (name, _, _, pointer) = RECEIVERS[receiver];
        let number = self.numbers.below(9);
        let params: Vec<Ty> = (0..number).map(|_| self.ty(0)).collect();
        let number = self.numbers.below(4);
        let results: Vec<Ty> = (0..number).map(|_| self.ty(0)).collect();
        let variadic = matches!(params.last(), Some(Ty::Slice(_))) && self.one_in(2);
        let mut declared = Vec::new();
        let mut alive = vec!["r".to_owned()];
        for (at, ty) in params.iter().enumerate() {
            let spelled = match ty {
                Ty::Slice(elem) if variadic && at + 1 == params.len() => {
                    format!("...{}", text(elem))
                }
                ty => text(ty),
            };
            if self.one_in(24) {
                declared.push(format!("_ {spelled}"));
            } else {
                declared.push(format!("a{at} {spelled}"));
                alive.push(format!("a{at}"));
            }
        }
        let texts: Vec<String> = results.iter().map(text).collect();
        let signature = format!("F{i}({}) ({})", declared.join(", "), texts.join(", "));
        let values: Vec<String> = results.iter().map(|ty| self.value(ty)).collect();
        let star = if pointer { "*" } else { "" };
        let _ = writeln!(
            out,
            "\n//go:noinline\nfunc (r {star}{name}) {signature} {{\n\tuse({})\n\treturn {}\n}}\n\nfunc c{i}() {{",
            alive.join(", "),
            values.join(", ")
        );
        for (at, ty) in params.iter().enumerate() {
            let value = self.value(ty);
            let _ = writeln!(out, "\ta{at} := {value}");
        }
        let arguments: Vec<String> = (0..params.len()).map(|at| format!("a{at}")).collect();
        let returned: Vec<String> = (0..results.len()).map(|at| format!("r{at}")).collect();
        let assigned = if results.is_empty() {
            String::new()
        } else {
            format!("{} := ", returned.join(", "))
        };
        let rest = if variadic { "..." } else { "" };
        let _ = writeln!(
            out,
            "\t{assigned}i{name}.F{i}({}{rest})\n\tsay(\"F{i}\", list({}), list({}))\n}}",
            arguments.join(", "),
            arguments.join(", "),
            returned.join(", ")
        );
        signature
    }

    /// An expression of exactly that type.
    fn value(&mut self, ty: &Ty) -> String {
        self.spelled(&text(ty), ty)
    }

    fn spelled(&mut self, name: &str, ty: &Ty) -> String {
        match ty {
            Ty::Basic(basic) => format!("{name}({})", self.basic_value(basic)),
            Ty::Named(at) => {
                let underlying = self.types[*at].clone();
                self.spelled(name, &underlying)
            }
            Ty::Nil(_) => format!("({name})(nil)"),
            Ty::Array(len, elem) => {
                let list: Vec<String> = (0..*len).map(|_| self.value(elem)).collect();
                format!("{name}{{{}}}", list.join(", "))
            }
            Ty::Struct(fields) => {
                let list: Vec<String> = fields
                    .iter()
                    .filter(|(field, _)| field != "_")
                    .map(|(field, ty)| format!("{field}: {}", self.value(ty)))
                    .collect();
                format!("{name}{{{}}}", list.join(", "))
            }
            Ty::Pointer(_) | Ty::Slice(_) | Ty::Map(..) if self.one_in(4) => {
                format!("({name})(nil)")
            }
            Ty::Pointer(to) => {
                let value = self.value(to);
                let number = self.variables.len();
                self.variables.push(format!("var v{number} = {value}"));
                format!("({name})(&v{number})")
            }
            Ty::Slice(elem) => {
                let len = self.numbers.below(4);
                let list: Vec<String> = (0..len).map(|_| self.value(elem)).collect();
                format!("{name}{{{}}}", list.join(", "))
            }
            Ty::Map(key, elem) => {
                let len = self.numbers.below(4);
                let list: Vec<String> = (0..len)
                    .map(|i| {
                        let key = match *key {
                            "string" => format!("\"k{i}\""),
                            _ => format!("{}", i * 1000 + 7),
                        };
                        format!("{key}: {}", self.value(elem))
                    })
                    .collect();
                format!("{name}{{{}}}", list.join(", "))
            }
        }
    }

    fn basic_value(&mut self, basic: &str) -> String {
        let any = self.numbers.any();
        match basic {
            "bool" => (any & 1 == 1).to_string(),
            "int8" => (any as i8).to_string(),
            "int16" => (any as i16).to_string(),
            "int32" => (any as i32).to_string(),
            "int" | "int64" => (any as i64).to_string(),
            "uint8" => (any as u8).to_string(),
            "uint16" => (any as u16).to_string(),
            "uint32" => (any as u32).to_string(),
            "uint" | "uint64" | "uintptr" => any.to_string(),
            // never a whole number: a float is told by its text
            "float32" | "float64" => format!("{}.5", any as i16),
            "complex64" | "complex128" => format!("complex({}.5, {}.25)", any as i16, any as i8),
            _ => match any % 5 {
                0 => "\"\"".to_owned(),
                1 => format!("\"{}\"", "long ".repeat(60 + (any % 40) as usize)),
                _ => format!("\"s{:x} größer\"", any as u32),
            },
        }
    }
}

/// Go's spelling.
fn text(ty: &Ty) -> String {
    match ty {
        Ty::Basic(name) | Ty::Nil(name) => (*name).to_owned(),
        Ty::Named(at) => format!("T{at}"),
        Ty::Array(len, elem) => format!("[{len}]{}", text(elem)),
        Ty::Struct(fields) => {
            let list: Vec<String> = fields
                .iter()
                .map(|(name, ty)| format!("{name} {}", text(ty)))
                .collect();
            format!("struct{{ {} }}", list.join("; "))
        }
        Ty::Pointer(to) => format!("*{}", text(to)),
        Ty::Slice(elem) => format!("[]{}", text(elem)),
        Ty::Map(key, elem) => format!("map[{key}]{}", text(elem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_program() {
        let one = go_methods(7, 40);
        assert_eq!(one, go_methods(7, 40));
        assert_ne!(one, go_methods(8, 40));
        assert_eq!(one.matches("//go:noinline").count(), 40);
    }
}
