//! What a workbook of XLS consists of: sheets, texts, number formats, calendar.
//!
//! Takes the compound file; keeps the stream of the workbook, which the sheets lie in. Refuses encryption, macros, links to other files, and
//! forms older than BIFF8 (before Excel 97).

use std::collections::{BTreeSet, HashMap};
use std::io::{Cursor, Read};

use super::records::{Record, kind, record_at, u16_at, u32_at};
use super::text::{append_string, read_table};
use crate::decode::sheet::{Epoch, Form, Shared, Strings};
use crate::decode::{DecodeLimits, FileFault};

/// A sheet of the workbook.
pub(crate) struct SheetPlace {
    pub(crate) name: String,
    pub(crate) hidden: bool,
    /// Where its records begin in the stream.
    pub(crate) at: usize,
    /// Where they end at the latest: at the next sheet, so that no record is looked through for two of them.
    pub(crate) end: usize,
}

/// The workbook without its cells.
pub(crate) struct Book {
    pub(crate) stream: Vec<u8>,
    pub(crate) sheets: Vec<SheetPlace>,
    pub(crate) shared: Shared,
    /// How a cell of each style shows a number.
    pub(crate) forms: Vec<Form>,
}

impl Book {
    pub(crate) fn open(bytes: Vec<u8>, limits: &DecodeLimits) -> Result<Self, FileFault> {
        let stream = read_stream(bytes)?;
        let mut book = Self {
            stream: Vec::new(),
            sheets: Vec::new(),
            shared: Shared {
                strings: Strings::new(limits.workbook_text_bytes_max),
                epoch: Epoch::Y1900,
            },
            forms: Vec::new(),
        };
        let first = record_at(&stream, 0)?.ok_or(DAMAGED)?;
        if first.kind != kind::BOF {
            return Err(DAMAGED);
        }
        if u16_at(first.data, 0) != Some(BIFF8) {
            return Err(OLD);
        }
        let mut codes = HashMap::new();
        let mut at = first.next;
        while let Some(record) = record_at(&stream, at)? {
            at = match record.kind {
                kind::EOF => break,
                kind::SST => read_table(&stream, record, &mut book.shared.strings)?,
                _ => {
                    book.global(record, &mut codes).ok_or(DAMAGED)??;
                    record.next
                }
            };
            if book.sheets.len() > limits.workbook_sheets_max {
                return Err(FileFault::TooManySheets {
                    limit: limits.workbook_sheets_max,
                });
            }
            if book.forms.len() > FORMS_MAX {
                return Err(DAMAGED);
            }
        }
        book.end_sheets(stream.len())?;
        book.shared.strings.close();
        book.stream = stream;
        Ok(book)
    }

    /// Takes one record of the workbook itself; `None` when it is too short.
    fn global(&mut self, record: Record<'_>, codes: &mut HashMap<u16, Form>) -> Option<Result<(), FileFault>> {
        let data = record.data;
        match record.kind {
            kind::FILE_PASS => return Some(Err(FileFault::Encrypted)),
            // This workbook and its functions refer to themselves in the same way as to others ([MS-XLS] 2.4.271).
            kind::SUP_BOOK if !matches!(u16_at(data, 2)?, 0x0401 | 0x3A01) => {
                return Some(Err(FileFault::ExternalLinks));
            }
            kind::DATE_MODE if u16_at(data, 0)? == 1 => self.shared.epoch = Epoch::Y1904,
            kind::FORMAT => {
                let mut code = String::new();
                append_string(data.get(2..)?, 2, &mut code)?;
                codes.entry(u16_at(data, 0)?).or_insert_with(|| Form::of_code(&code));
            }
            kind::XF => {
                let number = u16_at(data, 2)?;
                let own = codes.get(&number).copied();
                self.forms.push(own.unwrap_or_else(|| Form::built_in(number)));
            }
            kind::BOUND_SHEET => {
                let (state, sheet) = (*data.get(4)?, *data.get(5)?);
                match sheet {
                    0 => {
                        let mut name = String::new();
                        append_string(data.get(6..)?, 1, &mut name)?;
                        self.sheets.push(SheetPlace {
                            name,
                            hidden: state & 3 != 0,
                            at: u32_at(data, 0)? as usize,
                            end: 0,
                        });
                    }
                    // A sheet of macros, as Excel 4 had them.
                    1 => return Some(Err(FileFault::Macros)),
                    _ => {}
                }
            }
            _ => {}
        }
        Some(Ok(()))
    }

    /// Ends each sheet where the next begins. Two that begin at one place, and a workbook without any, are damaged.
    fn end_sheets(&mut self, stream_bytes: usize) -> Result<(), FileFault> {
        let starts: BTreeSet<usize> = self.sheets.iter().map(|sheet| sheet.at).collect();
        if starts.is_empty() || starts.len() < self.sheets.len() {
            return Err(DAMAGED);
        }
        for sheet in &mut self.sheets {
            let next = starts.range(sheet.at.saturating_add(1)..).next();
            sheet.end = next.map_or(stream_bytes, |next| (*next).min(stream_bytes));
        }
        Ok(())
    }
}

/// The stream of the workbook, out of the compound file; the file is not needed further.
fn read_stream(bytes: Vec<u8>) -> Result<Vec<u8>, FileFault> {
    let size = bytes.len();
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => FileFault::Truncated { part: CONTAINER },
        _ => FileFault::Damaged { part: CONTAINER },
    })?;
    if file.exists("/EncryptedPackage") {
        return Err(FileFault::Encrypted);
    }
    if file.exists("/_VBA_PROJECT_CUR") {
        return Err(FileFault::Macros);
    }
    let mut stream = match file.open_stream("/Workbook") {
        Ok(stream) => stream,
        Err(_) if file.exists("/Book") => return Err(OLD),
        Err(_) => {
            return Err(FileFault::OtherForm {
                declared: "XLS",
                found: "another kind of document of Office 97",
            });
        }
    };
    // A stream that says it is longer than its file would otherwise reserve what it says.
    let mut content = Vec::new();
    let read = (&mut stream).take(size as u64 + 1).read_to_end(&mut content);
    if read.is_err() || content.len() > size {
        return Err(FileFault::Damaged { part: CONTAINER });
    }
    content.shrink_to_fit();
    Ok(content)
}

/// A cell names its style in 16 bits.
const FORMS_MAX: usize = 1 << 16;

const BIFF8: u16 = 0x0600;

const CONTAINER: &str = "the compound file around the workbook";

const DAMAGED: FileFault = FileFault::Damaged {
    part: "the records of the workbook",
};

const OLD: FileFault = FileFault::OtherForm {
    declared: "XLS",
    found: "a workbook from before Excel 97",
};
