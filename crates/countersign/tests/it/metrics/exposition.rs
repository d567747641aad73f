//! A strict reader of Prometheus' text format (version 0.0.4): what it takes, every scraper takes.

use std::collections::{BTreeMap, BTreeSet};

pub type Labels = BTreeMap<String, String>;

/// Everything that one answer exposes, by the families' names.
#[derive(Debug, Default)]
pub struct Exposition(pub BTreeMap<String, Family>);

#[derive(Debug)]
pub struct Family {
    pub kind: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Labels,
    pub value: f64,
}

impl Exposition {
    pub fn family(&self, name: &str) -> &Family {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is not exposed"))
    }

    /// The value of the one sample of this name with exactly these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let asked: Labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let all = self.0.values().flat_map(|family| &family.samples);
        let mut found = all.filter(|sample| sample.name == name && sample.labels == asked);
        found.next().unwrap_or_else(|| panic!("no {name} {labels:?}")).value
    }
}

/// Reads a whole answer.
pub fn read(text: &str) -> Result<Exposition, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut exposition = Exposition::default();
    let mut current = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(about) = line.strip_prefix("# HELP ") {
            let (name, help) = about.split_once(' ').ok_or("a HELP without a text")?;
            let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")));
            let kind = kind.ok_or(format!("no TYPE after the HELP of {name}"))?;
            let family = Family { kind: kind.to_owned(), help: help.to_owned(), samples: Vec::new() };
            if !is_name(name) || exposition.0.insert(name.to_owned(), family).is_some() {
                return Err(format!("{name} is no name, or begins twice"));
            }
            current = Some(name.to_owned());
        } else {
            let sample = sample(line).ok_or(format!("no sample: {line:?}"))?;
            let name = current.as_ref().ok_or("a sample of no family")?;
            exposition.0.get_mut(name).ok_or("no such family")?.samples.push(sample);
        }
    }
    exposition.0.iter().try_for_each(|(name, family)| judge(name, family))?;
    Ok(exposition)
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn sample(line: &str) -> Option<Sample> {
    let (before, value) = line.rsplit_once(' ')?;
    let (name, labels) = match before.split_once('{') {
        Some((name, labels)) => (name, labels_in(labels.strip_suffix('}')?)?),
        None => (before, Labels::new()),
    };
    let value = match value {
        "+Inf" => f64::INFINITY,
        value => value.parse().ok()?,
    };
    is_name(name).then(|| Sample { name: name.to_owned(), labels, value })
}

/// Labels whose values need no escape: ours never do.
fn labels_in(text: &str) -> Option<Labels> {
    let mut labels = Labels::new();
    for label in text.split(',') {
        let (key, value) = label.split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        let is_plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name(key) || !is_plain || value.contains(['"', '\\']) {
            return None;
        }
        labels.insert(key.to_owned(), value.to_owned()).is_none().then_some(())?;
    }
    Some(labels)
}

fn judge(name: &str, family: &Family) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for sample in &family.samples {
        let labels = &sample.labels;
        if !seen.insert((sample.name.clone(), labels.clone())) {
            return Err(format!("{} {labels:?} comes twice", sample.name));
        }
    }
    let own = family.samples.iter().all(|sample| sample.name == name);
    let counts = family.samples.iter().all(|sample| sample.value >= 0.0 && sample.value.fract() == 0.0);
    let fits = match family.kind.as_str() {
        "counter" => own && counts && name.ends_with("_total"),
        "gauge" => own && !name.ends_with("_total"),
        "histogram" => return judge_histogram(name, family),
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("{name} is no {}: {:?}", family.kind, family.samples)) }
}

/// What a histogram says of one set of labels.
#[derive(Default)]
struct Histogram {
    /// Upper bound and count.
    buckets: Vec<(f64, f64)>,
    sums: Vec<f64>,
    counts: Vec<f64>,
}

impl Histogram {
    /// Buckets that rise to `+Inf`, which is the count, and a sum.
    fn is_sound(&self) -> bool {
        let rises = self.buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        let ends = self.buckets.last().is_some_and(|(bound, count)| {
            *bound == f64::INFINITY && self.counts == [*count] && self.sums.len() == 1
        });
        rises && ends && self.sums[0] >= 0.0
    }
}

fn judge_histogram(name: &str, family: &Family) -> Result<(), String> {
    let mut sets: BTreeMap<Labels, Histogram> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le").map(|bound| bound.replace("+Inf", "inf").parse());
        let histogram = sets.entry(labels).or_default();
        match (sample.name.strip_prefix(name), bound) {
            (Some("_bucket"), Some(Ok(bound))) => histogram.buckets.push((bound, sample.value)),
            (Some("_sum"), None) => histogram.sums.push(sample.value),
            (Some("_count"), None) => histogram.counts.push(sample.value),
            _ => return Err(format!("{} is no part of the histogram {name}", sample.name)),
        }
    }
    match sets.into_iter().find(|(_, histogram)| !histogram.is_sound()) {
        Some((labels, _)) => Err(format!("{name} {labels:?} is no histogram")),
        None => Ok(()),
    }
}

/// A reader that takes everything proves nothing.
#[test]
fn what_a_scraper_would_refuse_is_refused() {
    let counter = "# HELP a_total A.\n# TYPE a_total counter\n";
    let histogram = "# HELP h H.\n# TYPE h histogram\n";
    let good = [
        format!("{counter}a_total{{x=\"y\"}} 1\na_total{{x=\"z\"}} 2\n"),
        format!("{histogram}h_bucket{{le=\"0.5\"}} 1\nh_bucket{{le=\"+Inf\"}} 2\nh_sum 3.5\nh_count 2\n"),
    ];
    for text in good {
        read(&text).unwrap();
    }
    let bad = [
        "a_total 1\n".to_owned(),
        format!("{counter}a_total 1"),
        format!("{counter}a_total 1\na_total 1\n"),
        format!("{counter}a_total 1.5\n"),
        format!("{counter}a_total -1\n"),
        format!("{counter}b_total 1\n"),
        format!("{counter}a_total{{x=\"y}} 1\n"),
        format!("{counter}a_total{{x=\"y\",x=\"z\"}} 1\n"),
        format!("{counter}{counter}a_total 1\n"),
        format!("{counter}\n"),
        "# HELP a A.\n# TYPE a counter\na 1\n".to_owned(),
        "# HELP a A.\na 1\n".to_owned(),
        format!("{histogram}h_bucket{{le=\"0.5\"}} 1\nh_sum 3.5\nh_count 1\n"),
        format!("{histogram}h_bucket{{le=\"0.5\"}} 3\nh_bucket{{le=\"+Inf\"}} 2\nh_sum 3.5\nh_count 2\n"),
        format!("{histogram}h_bucket{{le=\"+Inf\"}} 2\nh_sum 3.5\nh_count 3\n"),
        format!("{histogram}h_bucket{{le=\"+Inf\"}} 2\nh_count 2\n"),
    ];
    for text in bad {
        assert!(read(&text).is_err(), "{text}");
    }
}
