//! The files of other people's programs: the same table as CSV, XLSX, XLS and DBF gives the same columns.
