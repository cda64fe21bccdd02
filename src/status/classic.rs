//! OpenMetrics, told in the older text format of Prometheus (version 0.0.4), for readers that ask for nothing newer.
//!
//! They differ in the names in comments (`x` and `x_total` of a counter, `x` and `x_info` of an info), in types the older
//! format does not know, and in the marks for units and for the end.

use std::collections::HashMap;

/// The same values.
pub fn classic(openmetrics: &str) -> String {
    // The type stands behind the help, which must have the name that fits the type.
    let types: HashMap<&str, &str> =
        openmetrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let full = |name: &str| match types.get(name).copied() {
        Some("counter") => format!("{name}_total"),
        Some("info") => format!("{name}_info"),
        _ => name.to_owned(),
    };
    let mut out = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines() {
        let comment = line.strip_prefix("# ").and_then(|rest| rest.split_once(' '));
        let line = match comment {
            Some(("HELP", rest)) => {
                let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
                // A quotation mark is escaped in OpenMetrics only.
                format!("# HELP {} {}", full(name), help.replace("\\\"", "\""))
            }
            Some(("TYPE", rest)) => {
                let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
                let kind = match kind {
                    "counter" | "gauge" | "histogram" | "summary" => kind,
                    "info" | "stateset" => "gauge",
                    _ => "untyped",
                };
                format!("# TYPE {} {kind}", full(name))
            }
            Some(_) => continue,
            None if line == "# EOF" => continue,
            None => line.to_owned(),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_types_and_marks_are_those_of_the_older_format() {
        let new = "# HELP a_passes Passes, \\\"all\\\".\n# TYPE a_passes counter\na_passes_total{result=\"ok\"} 1\n\
                   # HELP a_build Build.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
                   # HELP a_seconds Time.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1.5\n\
                   # HELP a_new New.\n# TYPE a_new unknown\na_new{text=\"# EOF\"} 1\n# EOF\n";
        let old = "# HELP a_passes_total Passes, \"all\".\n# TYPE a_passes_total counter\na_passes_total{result=\"ok\"} 1\n\
                   # HELP a_build_info Build.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
                   # HELP a_seconds Time.\n# TYPE a_seconds gauge\na_seconds 1.5\n\
                   # HELP a_new New.\n# TYPE a_new untyped\na_new{text=\"# EOF\"} 1\n";
        assert_eq!(classic(new), old);
    }
}
