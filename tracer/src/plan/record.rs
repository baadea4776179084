//! What the compiler recorded for a function's arguments, and whether a signature agrees with it.

use super::abi::{self, Abi, Placement};
use super::argshape;
use super::candidate::Candidate;
use crate::gobin::{ArgInfo, Error, FuncInfo, GoBinary};

/// What the compiler recorded for a function.
pub struct Record {
    abi: Abi,
    /// `_func.args`.
    args: Option<u32>,
    /// FUNCDATA_ArgInfo (Go ≥ 1.17).
    shape: Option<Vec<ArgInfo>>,
    first_left_out: bool,
}

impl Record {
    /// # Errors
    /// No function record.
    pub fn of(binary: &GoBinary<'_>, f: &FuncInfo) -> Result<Self, Error> {
        Ok(Self {
            abi: Abi::of(binary.arch(), binary.version()),
            args: f.args,
            shape: binary.arg_info(f)?,
            first_left_out: argshape::leaves_first_out(&f.name, binary.version().minor),
        })
    }

    /// The places of a signature that agrees, else both sides.
    ///
    /// # Errors
    /// Type data of the binary is damaged.
    pub fn check(
        &self,
        binary: &GoBinary<'_>,
        candidate: &Candidate,
    ) -> Result<Result<Placement, String>, Error> {
        let placement = abi::place(self.abi, binary, &candidate.params, &candidate.results)?;
        if let Some(args) = self.args
            && u64::from(args) != placement.args_size
        {
            return Ok(Err(format!(
                "the {} gives {} bytes of arguments, the function's record says {args}",
                candidate.source, placement.args_size
            )));
        }
        if let Some(shape) = &self.shape {
            let from = usize::from(self.first_left_out);
            let expected = argshape::expected(
                binary,
                candidate.params.get(from..).unwrap_or_default(),
                placement.frame.get(from..).unwrap_or_default(),
            )?;
            if *shape != expected {
                return Ok(Err(format!(
                    "the {} gives the argument words [{}], the function's record says [{}]",
                    candidate.source,
                    argshape::text(&expected),
                    argshape::text(shape)
                )));
            }
        }
        Ok(Ok(placement))
    }
}

/// Whether a signature agrees with what the compiler recorded for the function.
///
/// # Errors
/// Type data of the binary is damaged.
pub fn agrees(binary: &GoBinary<'_>, f: &FuncInfo, candidate: &Candidate) -> Result<bool, Error> {
    Ok(Record::of(binary, f)?.check(binary, candidate)?.is_ok())
}
