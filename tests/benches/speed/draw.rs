//! Pictures of the tables: lines over a logarithmic plane, and bars. Readable in light and dark.

use std::{fmt::Write as _, fs, path::Path};

use crate::{
    rounds::{Measured, Role, micros},
    table::{Case, Table, figures},
};

/// Writes `<name>.svg` for a table of idle passes or of rescues.
pub fn write(folder: &Path, table: &Table) {
    let picture = match table.name {
        name if name.ends_with("-idle") => lines(table),
        name if name.ends_with("-rescue") => bars(table),
        _ => return,
    };
    fs::write(folder.join(format!("{}.svg", table.name)), picture).unwrap();
}

/// What all pictures have: their colours, in light and dark, and the title.
fn frame(title: &str, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>\n\
         text {{ font: 12px sans-serif; fill: #24292f }} .t {{ font-weight: bold; font-size: 14px }}\n\
         .g {{ stroke: #d0d7de; stroke-width: 1 }} .l {{ fill: none; stroke-width: 2 }}\n\
         .limit {{ stroke: #6e7781; fill: #6e7781 }} .subject {{ stroke: #0969da; fill: #0969da }}\n\
         .peer {{ stroke: #bc4c00; fill: #bc4c00 }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         text {{ fill: #e6edf3 }} .g {{ stroke: #30363d }} .limit {{ stroke: #8b949e; fill: #8b949e }}\n\
         .subject {{ stroke: #58a6ff; fill: #58a6ff }} .peer {{ stroke: #f0883e; fill: #f0883e }}\n\
         }}\n\
         </style>\n\
         <text class=\"t\" x=\"10\" y=\"20\">{title}</text>\n{body}</svg>\n"
    )
}

/// Time over size, both logarithmic.
fn lines(table: &Table) -> String {
    let points = all(table);
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    let (mut first, mut last) = (f64::INFINITY, 0.0_f64);
    for (_, size, one) in &points {
        (low, high) = (low.min(micros(one.time)), high.max(micros(one.time)));
        (first, last) = (first.min(*size), last.max(*size));
    }
    let (low, high) = (low.log10().floor(), high.log10().ceil());
    let (first, last) = (first.log10(), last.log10().max(first.log10() + 1.0));
    let x = |size: f64| 70.0 + (size.log10() - first) / (last - first) * 380.0;
    let y = |time: f64| 40.0 + (high - time.log10()) / (high - low) * 260.0;
    let mut body = String::new();
    for power in low as i32..=high as i32 {
        let at = y(10_f64.powi(power));
        writeln!(body, "<line class=\"g\" x1=\"70\" x2=\"450\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>").unwrap();
        writeln!(body, "<text x=\"62\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", at + 4.0, time(power)).unwrap();
    }
    for power in first.round() as i32..=last.round() as i32 {
        let at = x(10_f64.powi(power));
        writeln!(body, "<text x=\"{at:.1}\" y=\"320\" text-anchor=\"middle\">{}</text>", count(power)).unwrap();
    }
    writeln!(body, "<text x=\"260\" y=\"338\" text-anchor=\"middle\">running jobs, none of them due</text>")
        .unwrap();
    let mut names: Vec<&str> = Vec::new();
    for (_, _, one) in &points {
        if !names.contains(&one.who) {
            names.push(one.who);
        }
    }
    let mut labels = Vec::new();
    for name in names {
        let own: Vec<_> = points.iter().filter(|(_, _, one)| one.who == name).collect();
        let role = own[0].2.role.as_str();
        let path: Vec<_> =
            own.iter().map(|(_, size, one)| format!("{:.1},{:.1}", x(*size), y(micros(one.time)))).collect();
        writeln!(body, "<polyline class=\"l {role}\" style=\"fill:none\" points=\"{}\"/>", path.join(" "))
            .unwrap();
        for (_, size, one) in &own {
            let (x, y) = (x(*size), y(micros(one.time)));
            writeln!(body, "<circle class=\"{role}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>").unwrap();
        }
        let end = own[own.len() - 1];
        labels.push((y(micros(end.2.time)), x(end.1), name));
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut above = 0.0_f64;
    for (y, x, name) in labels {
        // Labels of lines that end close together are moved apart.
        let y = (y + 4.0).max(above + 14.0);
        above = y;
        writeln!(body, "<text x=\"{:.1}\" y=\"{y:.1}\">{name}</text>", x + 10.0).unwrap();
    }
    frame(&table.title, 350.0, &body)
}

/// The time of each relative to its limit: as a length, or as its logarithm where lengths would hide all but one.
fn bars(table: &Table) -> String {
    let points = all(table);
    let most = points.iter().map(|(_, _, one)| one.ratio.median).fold(1.0, f64::max);
    let share = |ratio: f64| {
        if most <= MOST_AS_LENGTH {
            ratio / most
        } else {
            (ratio / LEAST).log10().max(0.0) / (most / LEAST).log10()
        }
    };
    let (mut body, mut y, mut case) = (String::new(), 34.0, "");
    for (name, _, one) in &points {
        if *name != case {
            y += 18.0;
            writeln!(body, "<text x=\"10\" y=\"{y:.1}\">{name}</text>").unwrap();
            case = name;
            y += 6.0;
        }
        let (width, role) = (share(one.ratio.median) * 280.0, one.role.as_str());
        writeln!(body, "<text x=\"250\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", y + 12.0, one.who).unwrap();
        writeln!(body, "<rect class=\"{role}\" x=\"258\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"14\"/>")
            .unwrap();
        let label = if one.role == Role::Limit {
            format!("1 = {:.0} ms", micros(one.time) / 1000.0)
        } else {
            figures(one.ratio.median)
        };
        writeln!(body, "<text x=\"{:.1}\" y=\"{:.1}\">{label}</text>", 264.0 + width, y + 12.0).unwrap();
        y += 20.0;
    }
    if most > MOST_AS_LENGTH {
        y += 14.0;
        writeln!(body, "<text x=\"10\" y=\"{y:.1}\">the lengths are logarithms, from {LEAST} on</text>").unwrap();
    }
    frame(&table.title, y + 10.0, &body)
}

/// Up to this ratio a bar is as long as its ratio is great.
const MOST_AS_LENGTH: f64 = 8.0;

/// Where bars begin that are logarithms.
const LEAST: f64 = 0.1;

fn all(table: &Table) -> Vec<(&str, f64, &Measured)> {
    let cases = table.cases.iter().filter_map(|case| match case {
        Case::Times { name, size, measured } => Some((name.as_str(), *size as f64, measured)),
        Case::Figure { .. } => None,
    });
    cases.flat_map(|(name, size, measured)| measured.iter().map(move |one| (name, size, one))).collect()
}

/// A power of ten of microseconds.
fn time(power: i32) -> String {
    match power {
        ..0 => format!("{} us", 10_f64.powi(power)),
        0..3 => format!("{} us", 10_i64.pow(power.unsigned_abs())),
        3..6 => format!("{} ms", 10_i64.pow((power - 3).unsigned_abs())),
        6.. => format!("{} s", 10_i64.pow((power - 6).unsigned_abs())),
    }
}

/// A power of ten of jobs.
fn count(power: i32) -> String {
    match power {
        ..3 => format!("{}", 10_i64.pow(power.unsigned_abs())),
        3..6 => format!("{}k", 10_i64.pow((power - 3).unsigned_abs())),
        6.. => format!("{}M", 10_i64.pow((power - 6).unsigned_abs())),
    }
}

const WIDTH: f64 = 700.0;
