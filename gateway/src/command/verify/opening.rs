//! `shuguan verify receipt --opening`: which columns of a push or an extract are proved, which are withheld; and that a file is the content of an extract.
//!
//! Takes a verified leaf, an opening or a package (an opening with values), and perhaps the agency's own file, or the extract with all or some of its columns; says
//! of each column what is proved. With `--disclose` it writes a package that shows the named columns and withholds the others. Refuses, with code 6, a column whose values are others, a file
//! that gives other parts, an opening that shows no value or shows values without a salt, and every column of a leaf that the witnesses of the trust file have not signed. What was done to a column is in no commitment: the bundle proves it, an opening only states it.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use serde_json::json;
use shuguan_adapters::catalogue::{self, RecordType};
use shuguan_adapters::layout::Layout;
use shuguan_ledger::leaf::{Event, Leaf, PullEvent, PushEvent};
use shuguan_ledger::receipt::Proven;
use shuguan_ledger::tree::Hash;
use shuguan_ledger::trust::Trust;
use shuguan_policies::{Bundle, KeyRing, Plan};
use uuid::Uuid;

use super::receipt::show_receipt;
use super::sentence::sentence;
use super::{At, exit, headline, not_proven, seen_by, witnesses_json};
use crate::client::deliver::detect;
use crate::clock;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::extract::form::Form;
use crate::opening::{self, Decoded, Digests, FeedFault, Opening, OpeningFault, SealedColumns, Standing};
use crate::sha256;

/// Longest opening or package that is read, bytes: the values of a package are held in memory.
const OPENING_BYTES_MAX: u64 = 256 << 20;

/// The columns of a push.
#[derive(Debug, Default, clap::Args)]
pub(super) struct OpeningArgs {
    /// The opening of a push (`shuguan receipt EXCHANGE --opening -o FILE`) or of an extract, or a package made of one: prove its columns.
    #[arg(long, value_name = "FILE", conflicts_with = "manifest")]
    opening: Option<PathBuf>,
    /// The extract as it was received, with its opening (`FILE.opening.json`, which `shuguan pull` writes): these are the bytes that were released. One from which
    /// columns were dropped: these of its columns are.
    #[arg(long, value_name = "FILE", requires = "opening", conflicts_with = "feed")]
    content: Option<PathBuf>,
    /// The file that was sent: its columns are decoded anew and compared.
    #[arg(long, value_name = "FILE", requires = "opening")]
    feed: Option<PathBuf>,
    /// Its `Content-Type`, when detection is wrong.
    #[arg(long, requires = "feed")]
    content_type: Option<String>,
    /// The policy bundle, for columns that the grant reduces and for grants that filter rows.
    #[arg(long, value_name = "DIR", requires = "feed")]
    bundle: Option<PathBuf>,
    /// Write a package that shows only these columns.
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', requires = "package")]
    disclose: Vec<String>,
    /// Where to write the package.
    #[arg(long, value_name = "FILE", requires = "opening")]
    package: Option<PathBuf>,
}

impl OpeningArgs {
    /// Whether columns are asked about.
    pub(super) fn asked(&self) -> bool {
        self.opening.is_some()
    }
}

/// Judges the columns of a proven leaf.
///
/// # Errors
/// When a file cannot be read or is not what it should be.
pub(super) fn run(args: &OpeningArgs, proven: &Proven, trust: &Trust, output: &Output) -> Result<Exit, Failure> {
    let file = args.opening.as_deref().unwrap_or(Path::new(""));
    let opening = match read(file)? {
        Ok(opening) => opening,
        Err(why) => return Ok(not_proven(output, &why, At::file(file))),
    };
    for name in &args.disclose {
        if !opening.columns.iter().any(|column| column.name == *name) {
            return Err(Failure::new(Exit::Usage, format!("the opening has no column `{name}`")));
        }
    }
    if let (Event::Pull(leaf), Some(content), None) = (&proven.leaf.event, &args.content, &args.package) {
        match opening.is_content(leaf, &sha256_of(content)?) {
            Ok(Some(true)) => {
                show_receipt(proven, trust, Some("these are the bytes that were released"), output);
                return Ok(exit(proven.witnessed.quorum));
            }
            // What is left of it may be.
            Ok(Some(false) | None) => {}
            Err(fault) => return Ok(not_proven(output, &none_of_this(&fault), At::file(file))),
        }
    }
    let AtHand { leaf, plan, decoded } = match at_hand(args, &proven.leaf, &opening)? {
        Ok(at_hand) => at_hand,
        Err(why) => {
            let compared = args.feed.as_deref().or(args.content.as_deref()).unwrap_or(file);
            return Ok(not_proven(output, &why, At::file(compared)));
        }
    };
    let standings = match opening.judge(leaf, &decoded.digests) {
        Ok(standings) => standings,
        Err(fault) => return Ok(not_proven(output, &none_of_this(&fault), At::file(file))),
    };
    let proved = standings.contains(&Standing::Proved) && !standings.contains(&Standing::Differs);
    let shown = columns(&opening, standings, plan.as_ref());
    show((proven, trust), &shown, leaf, output);
    if !proved || exit(proven.witnessed.quorum) != Exit::Done {
        return Ok(Exit::NotProven);
    }
    if let Some(path) = &args.package {
        let package = opening.disclosing(&args.disclose, &decoded.values);
        let text = serde_json::to_vec_pretty(&package)
            .map_err(|error| Failure::local("the package cannot be written").because(error))?;
        output.file(path, &text)?;
        output.note("it goes with the receipt");
    }
    Ok(Exit::Done)
}

/// What a leaf says of columns, and what is at hand of them.
struct AtHand<'l> {
    leaf: SealedColumns<'l>,
    /// Of a push whose bundle is given.
    plan: Option<Reduced>,
    /// Of the file that is given; nothing without one, as with a package.
    decoded: Decoded,
}

/// The columns of the leaf, and those of the file; the inner error: the file is not the one that was sealed.
fn at_hand<'l>(args: &OpeningArgs, leaf: &'l Leaf, opening: &Opening) -> Result<Result<AtHand<'l>, String>, Failure> {
    // Before a file is read: how much of it is held goes by the opening's columns.
    if let Some(fault) = sealed(&leaf.event).and_then(|sealed| opening.fits(sealed).err()) {
        return Ok(Err(none_of_this(&fault)));
    }
    let (at_hand, file) = match (&leaf.event, &args.content, &args.feed) {
        (Event::Push(push), None, feed) => {
            let plan = args.bundle.as_deref().map(|folder| Reduced::of(folder, push));
            let plan = plan.transpose()?;
            let decoded = match feed {
                Some(feed) => decode((args, plan.as_ref()), feed, opening, push, today(leaf))?,
                None => Decoded::default(),
            };
            let leaf = push.into();
            (
                AtHand { leaf, plan, decoded },
                feed.as_ref().zip(Some("the file that was sent")),
            )
        }
        (Event::Pull(pull), content, None) => {
            let decoded = match content {
                Some(file) => match extract(pull, opening, file, &args.disclose)? {
                    Ok(decoded) => decoded,
                    Err(why) => return Ok(Err(why)),
                },
                None => Decoded::default(),
            };
            let (leaf, plan) = (pull.into(), None);
            (
                AtHand { leaf, plan, decoded },
                content.as_ref().zip(Some("what was released")),
            )
        }
        (event, ..) => {
            return Err(Failure::new(
                Exit::Usage,
                "a push is compared with the file that was sent (--feed FILE), and an extract with its content (--content FILE)",
            )
            .because(format!("this receipt is of a `{}` leaf", event.kind())));
        }
    };
    let parts = at_hand.decoded.parts();
    Ok(match file {
        Some((file, what)) if parts != opening.parts => Err(format!(
            "`{}` is not {what}: it gives parts of [{parts}] rows, and [{}] were sealed",
            file.display(),
            opening.parts
        )),
        _ => Ok(at_hand),
    })
}

fn none_of_this(fault: &OpeningFault) -> String {
    match fault {
        // Its commitments may well be those under the leaf.
        OpeningFault::Unsalted(_) => fault.to_string(),
        _ => format!("the opening is none of this leaf: {fault}"),
    }
}

/// What a leaf says of columns; none of another kind of leaf.
fn sealed(event: &Event) -> Option<SealedColumns<'_>> {
    match event {
        Event::Push(leaf) => Some(leaf.into()),
        Event::Pull(leaf) => Some(leaf.into()),
        _ => None,
    }
}

/// The columns that are left in a file of an extract; the inner error: it holds nothing that was released.
fn extract(
    leaf: &PullEvent,
    opening: &Opening,
    file: &Path,
    disclosed: &[String],
) -> Result<Result<Decoded, String>, Failure> {
    let form = Form::named(&leaf.fmt)
        .ok_or_else(|| Failure::local(format!("this version knows no form `{}` of extracts", leaf.fmt)))?;
    match opening::read_extract(file, form, opening, disclosed) {
        Ok(decoded) => Ok(Ok(decoded)),
        Err(FeedFault::Unreadable(why)) => Ok(Err(format!("`{}` is not what was released: {why}", file.display()))),
        Err(fault) => Err(Failure::local(format!("cannot read `{}`", file.display())).because(fault)),
    }
}

fn sha256_of(file: &Path) -> Result<Hash, Failure> {
    sha256::of_file(file).map_err(|error| Failure::local(format!("cannot read `{}`", file.display())).because(error))
}

/// The opening of a file; the inner error: it is none.
fn read(file: &Path) -> Result<Result<Opening, String>, Failure> {
    let unreadable = |error| Failure::local(format!("cannot read `{}`", file.display())).because(error);
    let bytes = std::fs::metadata(file).map_err(unreadable)?.len();
    if bytes > OPENING_BYTES_MAX {
        return Ok(Err(format!("`{}` is too large for an opening", file.display())));
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    // serde's message could show a value.
    Ok(serde_json::from_slice(&bytes).map_err(|error| {
        format!(
            "`{}` is no opening (line {} column {}); one comes with shuguan receipt EXCHANGE --opening -o FILE",
            file.display(),
            error.line(),
            error.column()
        )
    }))
}

/// The day on which the exchange began, by which its rows were judged and its ages counted: it stands in the exchange's id, which is made
/// from the time. An id that is not says nothing, and the day of the seal stands in for it.
fn today(leaf: &Leaf) -> i32 {
    let id = leaf.event.exchange().and_then(|text| text.parse::<Uuid>().ok());
    let made_of_time = id.filter(|id| id.get_version_num() == 7);
    made_of_time.map_or_else(|| clock::day_of(leaf.when()), clock::day_in)
}

fn decode(
    (args, plan): (&OpeningArgs, Option<&Reduced>),
    feed: &Path,
    opening: &Opening,
    leaf: &PushEvent,
    today: i32,
) -> Result<Decoded, Failure> {
    let record: &'static RecordType = catalogue::record_type(&leaf.rec)
        .ok_or_else(|| Failure::local(format!("this version knows no record type `{}`", leaf.rec)))?;
    let layout = match &args.content_type {
        Some(stated) => Layout::from_content_type(stated)
            .ok_or_else(|| Failure::new(Exit::Usage, format!("`{stated}` is not a type that is read here")))?,
        None => detect(feed)?,
    };
    let known = |name: &String| {
        let field = record.field(name).map(|field| field.name);
        field.ok_or_else(|| Failure::local(format!("`{}` has no field `{name}`", record.name)))
    };
    let wanted = opening.wanted.iter().map(known).collect::<Result<Vec<_>, _>>()?;
    if plan.is_none() && leaf.fil > 0 {
        return Err(Failure::new(
            Exit::Usage,
            format!("the grant held back {} rows, and only the bundle says which", leaf.fil),
        )
        .then("add --bundle DIR, the policy bundle that was in force"));
    }
    let release = |part: RecordBatch| match plan {
        Some(plan) => plan.release(&part, today),
        None => Ok(part),
    };
    let place = |fault: FeedFault| Failure::local(format!("`{}` cannot be compared", feed.display())).because(fault);
    let mut decoded =
        opening::decode(feed, (record, &layout), (&wanted, today), &release, &args.disclose).map_err(place)?;
    // Without the bundle only what is kept as it is comes out of the file; under a key of the gateway nothing does.
    let keyed = |column: &str| plan.is_some_and(|plan| plan.keyed(column));
    let kept = |name: &str| {
        let column = opening.columns.iter().find(|column| column.name == name);
        column.is_some_and(|column| plan.is_some() || column.operator == "keep")
    };
    let digests: Digests = std::mem::take(&mut decoded.digests);
    decoded.digests = digests
        .into_iter()
        .filter(|(name, _)| kept(name) && !keyed(name))
        .collect();
    let shown: Vec<String> = decoded.digests.keys().cloned().collect();
    decoded.values.retain(|name, _| shown.contains(name));
    Ok(decoded)
}

/// The plan that the leaf names, without the gateway's keys.
struct Reduced {
    plan: std::sync::Arc<Plan>,
    keys: KeyRing,
}

impl Reduced {
    fn of(folder: &Path, leaf: &PushEvent) -> Result<Self, Failure> {
        let set = Bundle::read(folder)
            .and_then(|bundle| bundle.compile())
            .map_err(|faults| {
                let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
                Failure::local(format!("the bundle cannot be read\n{}", lines.join("\n")))
            })?;
        let plan = set.plans().find(|plan| plan.hash() == leaf.plan.0).cloned();
        let plan = plan.ok_or_else(|| {
            Failure::local("the bundle does not hold the plan of this push")
                .at(folder.display().to_string())
                .because("the leaf names another plan hash: another version was in force")
        })?;
        Ok(Self {
            plan,
            keys: KeyRing::from_master(&[0; 32]),
        })
    }

    fn release(&self, part: &RecordBatch, today: i32) -> Result<RecordBatch, FeedFault> {
        let released = self.plan.release(part, &self.keys, today);
        let released = released.map_err(|fault| FeedFault::Unreadable(fault.to_string()))?;
        Ok(released.batch)
    }

    fn keyed(&self, column: &str) -> bool {
        let output = self.plan.output().iter();
        output
            .filter(|output| output.name == column)
            .any(|output| output.kind.operator.key().is_some())
    }

    fn operator(&self, column: &str) -> Option<String> {
        let mut output = self.plan.output().iter();
        let output = output.find(|output| output.name == column)?;
        Some(output.kind.operator.describe())
    }
}

/// A column as it is shown.
struct Shown<'o> {
    name: &'o str,
    form: &'o str,
    operator: String,
    /// Whether the bundle says the operator; else the opening states it, and anybody could have written that.
    by_bundle: bool,
    standing: Standing,
}

fn columns<'o>(opening: &'o Opening, standings: Vec<Standing>, plan: Option<&Reduced>) -> Vec<Shown<'o>> {
    let shown = |(column, standing): (&'o opening::OpenColumn, Standing)| {
        let granted = plan.and_then(|plan| plan.operator(&column.name));
        Shown {
            name: &column.name,
            form: &column.r#type,
            by_bundle: granted.is_some(),
            operator: granted.unwrap_or_else(|| column.operator.clone()),
            standing,
        }
    };
    opening.columns.iter().zip(standings).map(shown).collect()
}

fn show((proven, trust): (&Proven, &Trust), columns: &[Shown<'_>], leaf: SealedColumns<'_>, output: &Output) {
    let count = |standing| columns.iter().filter(|column| column.standing == standing).count();
    let (proved, withheld, differs) = (
        count(Standing::Proved),
        count(Standing::Withheld),
        count(Standing::Differs),
    );
    let (entry, seen_by) = (sentence(proven), seen_by(&proven.witnessed, trust));
    let document = json!({
        "verdict": match (differs, proved) { (0, 0) => "nothing-shown", (0, _) => proven.witnessed.verdict(), _ => "disproven" },
        "sentence": format!("{entry}; {seen_by}"), "witnesses": witnesses_json(&proven.witnessed),
        "exchange": leaf.exchange, "proved": proved, "withheld": withheld, "differing": differs,
        "columns": columns.iter().map(|column| json!({
            "name": column.name, "type": column.form, "operator": column.operator,
            "operator_by": if column.by_bundle { "bundle" } else { "opening" }, "standing": column.standing,
        })).collect::<Vec<_>>(),
    });
    if output.document("shuguan.columns.v1", &document) {
        return;
    }
    let found = format!(
        "{proved} columns are proved, {withheld} are withheld, of the {} that were sealed",
        leaf.count
    );
    output.line(match (differs, proven.witnessed.quorum) {
        (0, _) if proved == 0 => format!(
            "无效  not proven: no values are shown, so none of the {} columns is proved; they are under this entry (add --feed FILE or --content FILE, or take a package): {entry}",
            leaf.count
        ),
        (0, quorum) => headline(quorum, &format!("{entry}; {found}; {seen_by}")),
        _ => format!("无效  not valid: {differs} columns hold other values than were sealed: {entry}"),
    });
    show_columns(columns, output);
}

fn show_columns(columns: &[Shown<'_>], output: &Output) {
    let row = |column: &Shown<'_>| {
        let word = match column.standing {
            Standing::Proved => "proved 已证明",
            Standing::Withheld => "withheld 未出示",
            Standing::Differs => "differs 不符",
        };
        vec![
            column.name.to_owned(),
            column.form.to_owned(),
            column.operator.clone(),
            word.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = columns.iter().map(row).collect();
    output.rows(&["COLUMN", "TYPE", "OPERATOR", "STANDING"], &rows);
    if columns.iter().any(|column| !column.by_bundle) {
        output.line(
            "      not proved: OPERATOR, which is as the opening states it (of a push --feed and --bundle prove it)",
        );
    }
}
