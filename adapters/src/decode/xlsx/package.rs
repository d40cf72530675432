//! What a workbook of XLSX consists of: sheets, texts, number formats, calendar.
//!
//! Takes the archive; gives each sheet's name and part, the texts and forms that cells refer to. Refuses what is another kind of document,
//! macros and links to other files: what a cell shows then depends on more than the file.

use std::collections::{HashMap, HashSet};

use quick_xml::events::Event;

use super::archive::{Archive, expands};
use super::xml::Xml;
use crate::decode::sheet::{Epoch, Form, Shared, Strings};
use crate::decode::xml::reference::attribute;
use crate::decode::{DecodeLimits, FileFault};

/// A sheet of the workbook.
pub(crate) struct SheetPart {
    pub(crate) name: String,
    pub(crate) hidden: bool,
    /// Its part in the archive.
    pub(crate) part: String,
}

/// The workbook without its cells.
pub(crate) struct Package {
    pub(crate) archive: Archive,
    pub(crate) sheets: Vec<SheetPart>,
    pub(crate) shared: Shared,
    /// How a cell of each style shows a number.
    pub(crate) forms: Vec<Form>,
    pub(crate) expands: FileFault,
}

/// A relationship between parts (OPC, ECMA-376-2).
struct Relation {
    id: String,
    /// The last segment of its type: `worksheet`, in the transitional and the strict form alike.
    kind: String,
    target: String,
}

impl Package {
    pub(crate) fn open(bytes: Vec<u8>, limits: &DecodeLimits) -> Result<Self, FileFault> {
        let archive = Archive::open(bytes, limits)?;
        if archive
            .names()
            .any(|name| name.to_ascii_lowercase().ends_with("vbaproject.bin"))
        {
            return Err(FileFault::Macros);
        }
        let expands = expands(limits);
        let book = relations(&archive, "_rels/.rels", "", &expands)?
            .into_iter()
            .find(|relation| relation.kind == "officeDocument")
            .map(|relation| relation.target)
            .ok_or_else(|| other_form(&archive))?;
        if book.to_ascii_lowercase().ends_with(".bin") {
            return Err(other("XLSB, the binary form of XLSX"));
        }
        let (folder, file) = book.rsplit_once('/').unwrap_or(("", &book));
        let relations = relations(&archive, &format!("{folder}/_rels/{file}.rels"), folder, &expands)?;
        if relations.iter().any(|relation| relation.kind == "externalLink") {
            return Err(FileFault::ExternalLinks);
        }
        if relations.iter().any(|relation| relation.kind.ends_with("acrosheet")) {
            return Err(FileFault::Macros);
        }
        let target = |kind: &str| {
            let mut of_kind = relations.iter().filter(|relation| relation.kind == kind);
            of_kind.next().map(|relation| relation.target.clone())
        };
        let (sheets, epoch) = read_book(&archive, &book, &relations, limits, &expands)?;
        let forms = match target("styles") {
            Some(part) => read_forms(&archive, &part, &expands)?,
            None => Vec::new(),
        };
        let strings = match target("sharedStrings") {
            Some(part) => read_strings(&archive, &part, limits, &expands)?,
            None => Strings::new(limits.workbook_text_bytes_max),
        };
        Ok(Self {
            archive,
            sheets,
            shared: Shared { strings, epoch },
            forms,
            expands,
        })
    }
}

fn other(found: &'static str) -> FileFault {
    FileFault::OtherForm {
        declared: "XLSX",
        found,
    }
}

/// What a zip archive without a workbook is.
fn other_form(archive: &Archive) -> FileFault {
    if archive.part("mimetype").is_some() && archive.part("content.xml").is_some() {
        other("an OpenDocument file")
    } else {
        other("a zip archive without a workbook")
    }
}

fn relations(archive: &Archive, part: &str, folder: &str, expands: &FileFault) -> Result<Vec<Relation>, FileFault> {
    let Some(source) = archive.part(part) else {
        return Ok(Vec::new());
    };
    let mut xml = Xml::new(source, "its relationships", expands.clone());
    let mut relations = Vec::new();
    loop {
        match xml.next()? {
            Event::Start(tag) if tag.local_name().as_ref() == "Relationship" => {
                let of = |name| attribute(&tag, name).unwrap_or_default();
                let kind = of("Type");
                relations.push(Relation {
                    id: of("Id"),
                    kind: kind.rsplit('/').next().unwrap_or_default().to_owned(),
                    target: resolved(folder, &of("Target")),
                });
            }
            Event::Eof => return Ok(relations),
            _ => {}
        }
        if relations.len() > RELATIONS_MAX {
            return Err(xml.damaged());
        }
    }
}

/// A target as a name in the archive: absolute, or relative to the folder of the part that names it.
fn resolved(folder: &str, target: &str) -> String {
    let path = match target.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => format!("{folder}/{target}"),
    };
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}

fn read_book(
    archive: &Archive,
    book: &str,
    relations: &[Relation],
    limits: &DecodeLimits,
    expands: &FileFault,
) -> Result<(Vec<SheetPart>, Epoch), FileFault> {
    let source = archive.part(book).ok_or(FileFault::Damaged { part: "its workbook" })?;
    let mut xml = Xml::new(source, "its workbook", expands.clone());
    // Charts and dialogues are sheets too, but of another kind.
    let worksheets = relations.iter().filter(|relation| relation.kind == "worksheet");
    // Of two with one name the first.
    let worksheets: HashMap<&str, &str> = worksheets
        .rev()
        .map(|relation| (relation.id.as_str(), relation.target.as_str()))
        .collect();
    let mut parts = HashSet::new();
    let mut sheets = Vec::new();
    let mut epoch = Epoch::Y1900;
    loop {
        match xml.next()? {
            Event::Start(tag) => match tag.local_name().as_ref() {
                "workbookPr" if matches!(attribute(&tag, "date1904").as_deref(), Some("1" | "true" | "on")) => {
                    epoch = Epoch::Y1904;
                }
                "sheet" => {
                    let id = attribute(&tag, "id").unwrap_or_default();
                    if let Some(part) = worksheets.get(id.as_str()) {
                        sheets.push(SheetPart {
                            name: attribute(&tag, "name").unwrap_or_default(),
                            hidden: attribute(&tag, "state").is_some_and(|state| state != "visible"),
                            part: (*part).to_owned(),
                        });
                        // Each sheet is looked into: a part that is several of them would be unpacked as often.
                        if !parts.insert(part.to_ascii_lowercase()) {
                            return Err(xml.damaged());
                        }
                    }
                    if sheets.len() > limits.workbook_sheets_max {
                        return Err(FileFault::TooManySheets {
                            limit: limits.workbook_sheets_max,
                        });
                    }
                }
                _ => {}
            },
            Event::Eof if sheets.is_empty() => return Err(other("a document without a worksheet")),
            Event::Eof => return Ok((sheets, epoch)),
            _ => {}
        }
    }
}

/// How a cell of each style shows numbers: `cellXfs` refers to `numFmts`.
fn read_forms(archive: &Archive, part: &str, expands: &FileFault) -> Result<Vec<Form>, FileFault> {
    let Some(source) = archive.part(part) else {
        return Ok(Vec::new());
    };
    let mut xml = Xml::new(source, "its styles", expands.clone());
    let mut codes: HashMap<u16, Form> = HashMap::new();
    let mut forms = Vec::new();
    let mut in_cells = false;
    loop {
        match xml.next()? {
            Event::Start(tag) => match tag.local_name().as_ref() {
                "numFmt" => {
                    let number = attribute(&tag, "numFmtId").and_then(|number| number.parse().ok());
                    if let (Some(number), Some(code)) = (number, attribute(&tag, "formatCode")) {
                        codes.entry(number).or_insert_with(|| Form::of_code(&code));
                    }
                }
                "cellXfs" => in_cells = true,
                "xf" if in_cells => {
                    let number = attribute(&tag, "numFmtId")
                        .and_then(|number| number.parse().ok())
                        .unwrap_or(0);
                    let own = codes.get(&number).copied();
                    forms.push(own.unwrap_or_else(|| Form::built_in(number)));
                }
                _ => {}
            },
            Event::End(tag) if tag.local_name().as_ref() == "cellXfs" => in_cells = false,
            Event::Eof => return Ok(forms),
            _ => {}
        }
        xml.allow();
        if forms.len() > STYLES_MAX {
            return Err(xml.damaged());
        }
    }
}

/// The texts of `si` elements: runs of rich text joined, phonetic readings left out.
fn read_strings(
    archive: &Archive,
    part: &str,
    limits: &DecodeLimits,
    expands: &FileFault,
) -> Result<Strings, FileFault> {
    let Some(source) = archive.part(part) else {
        return Err(FileFault::Damaged { part: "its texts" });
    };
    let mut strings = Strings::new(limits.workbook_text_bytes_max);
    let size = usize::try_from(archive.size(part)).unwrap_or(usize::MAX);
    strings.text_mut().reserve(size.min(limits.workbook_text_bytes_max));
    let mut xml = Xml::new(source, "its texts", expands.clone());
    let mut escaped = String::new();
    loop {
        let event = xml.next()?;
        match event {
            Event::Start(tag) if tag.local_name().as_ref() == "si" => {
                let start = strings.text_mut().len();
                rich_text(&mut xml, strings.text_mut())?;
                let broken = unescape_from(strings.text_mut(), start, &mut escaped);
                strings.end(broken)?;
                xml.allow();
            }
            Event::Eof => {
                strings.close();
                return Ok(strings);
            }
            _ => {}
        }
    }
}

/// The text of an element that holds `t`, or runs with `t`; readings (`rPh`) are no part of it.
pub(crate) fn rich_text(xml: &mut Xml, out: &mut String) -> Result<(), FileFault> {
    let mut depth = 1;
    while depth > 0 {
        enum Next {
            Text,
            Skip,
            Down,
            Up,
            On,
        }
        let next = match xml.next()? {
            Event::Start(tag) => match tag.local_name().as_ref() {
                "t" => Next::Text,
                "rPh" | "rPr" | "phoneticPr" => Next::Skip,
                _ => Next::Down,
            },
            Event::End(_) => Next::Up,
            Event::Eof => return Err(xml.damaged()),
            _ => Next::On,
        };
        match next {
            Next::Text => xml.text_into(out)?,
            Next::Skip => xml.skip()?,
            Next::Down => depth += 1,
            Next::Up => depth -= 1,
            Next::On => {}
        }
    }
    Ok(())
}

/// Replaces `_x000D_` by the character that it stands for (ECMA-376-1, 22.9.2.19), from byte `start` on; tells whether half a character
/// was named.
pub(crate) fn unescape_from(text: &mut String, start: usize, room: &mut String) -> bool {
    let written = text.get(start..).unwrap_or_default();
    if !written.contains("_x") {
        return false;
    }
    room.clear();
    let mut broken = false;
    let mut high = None;
    let mut rest = written;
    while let Some(at) = rest.find("_x") {
        let (before, escape) = rest.split_at(at);
        if !before.is_empty() {
            broken |= high.take().is_some();
        }
        room.push_str(before);
        let unit = escape
            .get(2..7)
            .and_then(|hex| hex.strip_suffix('_'))
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|hex| u16::from_str_radix(hex, 16).ok());
        let Some(unit) = unit else {
            broken |= high.take().is_some();
            room.push_str("_x");
            rest = escape.get(2..).unwrap_or_default();
            continue;
        };
        match char::decode_utf16(high.take().into_iter().chain([unit])).next() {
            Some(Ok(letter)) => room.push(letter),
            _ if (0xd800..0xdc00).contains(&unit) && !broken => high = Some(unit),
            _ => broken = true,
        }
        rest = escape.get(7..).unwrap_or_default();
    }
    broken |= high.is_some();
    room.push_str(rest);
    text.truncate(start);
    text.push_str(room);
    broken
}

/// A workbook has one for each sheet and a handful besides.
const RELATIONS_MAX: usize = 10_000;

/// Excel knows 65,490.
const STYLES_MAX: usize = 65_536;
