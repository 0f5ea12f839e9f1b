use std::fmt;

/// What was measured, with the goals beside it.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

struct Row {
    what: String,
    value: String,
    goal: String,
    verdict: &'static str,
}

impl Report {
    /// A value that has a goal.
    pub(crate) fn goal(
        &mut self,
        what: impl Into<String>,
        value: impl Into<String>,
        goal: &str,
        is_reached: bool,
    ) {
        let verdict = if is_reached { "reached" } else { "NOT REACHED" };
        self.rows.push(Row { what: what.into(), value: value.into(), goal: goal.to_owned(), verdict });
    }

    /// A value that explains others.
    pub(crate) fn note(&mut self, what: impl Into<String>, value: impl Into<String>) {
        self.rows.push(Row { what: what.into(), value: value.into(), goal: String::new(), verdict: "" });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| what | measured | goal | |\n|---|---|---|---|")?;
        for Row { what, value, goal, verdict } in &self.rows {
            writeln!(formatter, "| {what} | {value} | {goal} | {verdict} |")?;
        }
        let missed: Vec<&str> =
            self.rows.iter().filter(|row| row.verdict == "NOT REACHED").map(|row| &*row.what).collect();
        if missed.is_empty() {
            write!(formatter, "\nEvery goal measured here is reached.")
        } else {
            write!(formatter, "\nNot reached: {}.", missed.join("; "))
        }
    }
}
