//! The Prometheus text format: base units, `_total` for counters, help and type once for each metric.

use std::fmt::Write;

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows and restarts at zero with the process. Its name ends in `_total`.
    Counter,
}

/// Metrics as text, under one prefix.
#[derive(Debug)]
pub struct Exposition {
    prefix: String,
    text: String,
}

impl Exposition {
    /// Empty; each name gets `prefix` and an underscore.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), text: String::new() }
    }

    /// A metric without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, help, Kind::Gauge, [([("", ""); 0], value)]);
    }

    /// A metric with a value for each value of one label.
    pub fn gauges<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) {
        self.head(name, help, Kind::Gauge);
        for (value_of_label, value) in samples {
            self.sample(name, &[(label, value_of_label.as_ref())], value);
        }
    }

    /// All values of one metric, each with its labels. Values that are not finite are left out.
    pub fn family<'a, L: AsRef<[(&'a str, &'a str)]>>(
        &mut self,
        name: &str,
        help: &str,
        kind: Kind,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) {
        self.head(name, help, kind);
        for (labels, value) in samples {
            self.sample(name, labels.as_ref(), value);
        }
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn head(&mut self, name: &str, help: &str, kind: Kind) {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        let _ = writeln!(self.text, "# HELP {0}_{name} {help}\n# TYPE {0}_{name} {kind}", self.prefix);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        if !value.is_finite() {
            return;
        }
        let _ = write!(self.text, "{}_{name}", self.prefix);
        for (n, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"", if n == 0 { '{' } else { ',' });
            for c in text.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    _ => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_labels_are_escaped_and_numbers_are_finite() {
        let mut text = Exposition::new("footage_x");
        text.gauge("ratio", "A part.", 0.5);
        text.gauges("up", "Whether.", "camera", [("a\\b\"c\nd{}", 1.0), ("nan", f64::NAN)]);
        text.family("n_total", "How many.", Kind::Counter, [([("camera", "a"), ("state", "b")], 1e15)]);
        insta::assert_snapshot!(text.into_text(), @r#"
        # HELP footage_x_ratio A part.
        # TYPE footage_x_ratio gauge
        footage_x_ratio 0.5
        # HELP footage_x_up Whether.
        # TYPE footage_x_up gauge
        footage_x_up{camera="a\\b\"c\nd{}"} 1
        # HELP footage_x_n_total How many.
        # TYPE footage_x_n_total counter
        footage_x_n_total{camera="a",state="b"} 1000000000000000
        "#);
    }
}
