//! FUNCDATA_ArgInfo: the shape of a function's arguments, as the compiler recorded it for
//! tracebacks.

use super::super::model::ArgInfo;
use super::super::reader::Reader;

/// The list that the bytes begin with; `None`: damaged.
pub fn read(bytes: &[u8]) -> Option<Vec<ArgInfo>> {
    arg_list(&mut Reader::new(bytes), 0).map(|(list, _)| list)
}

/// Parses up to the closing byte (0xff at level 0, 0xfd below).
fn arg_list(reader: &mut Reader<'_>, level: u32) -> Option<(Vec<ArgInfo>, bool)> {
    let mut list = Vec::new();
    while list.len() < 64 {
        match reader.u8()? {
            0xff => return (level == 0).then_some((list, true)),
            0xfd => return (level > 0).then_some((list, true)),
            0xfe if level < 8 => list.push(ArgInfo::Aggregate(arg_list(reader, level + 1)?.0)),
            0xfe => return None,
            0xfc => list.push(ArgInfo::More),
            0xfb => {
                list.push(ArgInfo::OffsetTooLarge);
            }
            offset => list.push(ArgInfo::Scalar {
                offset: u32::from(offset),
                size: u32::from(reader.u8()?),
            }),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arg_info_nesting() {
        let mut reader = Reader::new(&[0, 8, 0xfe, 8, 8, 16, 8, 0xfd, 0xfc, 0xff]);
        let (list, _) = arg_list(&mut reader, 0).expect("well formed");
        assert_eq!(
            list,
            [
                ArgInfo::Scalar { offset: 0, size: 8 },
                ArgInfo::Aggregate(vec![
                    ArgInfo::Scalar { offset: 8, size: 8 },
                    ArgInfo::Scalar {
                        offset: 16,
                        size: 8
                    }
                ]),
                ArgInfo::More
            ]
        );
        assert!(
            arg_list(&mut Reader::new(&[0xfe; 40]), 0).is_none(),
            "too deep or cut"
        );
    }
}
