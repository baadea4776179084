//! "did you mean": names close to one that matched nothing.

/// Most names offered.
const OFFERED: usize = 3;

/// Names of which the last element resembles that of `wanted`, the closest first.
pub fn close_to<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let wanted = last(wanted).to_lowercase();
    if wanted.is_empty() {
        return Vec::new();
    }
    let most = (wanted.chars().count() / 4).max(1);
    let mut found: Vec<(usize, usize, &str)> = names
        .filter_map(|name| {
            let short = last(name).to_lowercase();
            let distance = if short == wanted {
                0
            } else if short.contains(&wanted) {
                1
            } else {
                distance(&wanted, &short, most)?
            };
            Some((distance, name.len(), name))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
        .into_iter()
        .take(OFFERED)
        .map(|(_, _, name)| name.to_owned())
        .collect()
}

/// What follows the last separator: `Containers` of `a/b.(*T).Containers`.
fn last(name: &str) -> &str {
    name.rsplit(['.', '/', '*', ')']).next().unwrap_or(name)
}

/// Edit distance (insert, delete, replace, swap neighbours), if it is at most `most`.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(x != y);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().filter(|d| *d <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger() {
        let names = [
            "a/daemon.(*Daemon).Containers",
            "a/daemon.(*Daemon).ContainerStop",
            "a/b.Unrelated",
        ];
        let close = |wanted| close_to(wanted, names.iter().copied());
        assert_eq!(close("Contianers"), ["a/daemon.(*Daemon).Containers"]);
        assert_eq!(close("containers")[0], "a/daemon.(*Daemon).Containers");
        assert_eq!(close("daemon.Contaners"), ["a/daemon.(*Daemon).Containers"]);
        assert!(close("xyz").is_empty());
        assert!(close("").is_empty());
    }
}
