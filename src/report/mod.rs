//! The report: every run of a history in one HTML file, which needs no network and no server.
//!
//! [`select`] says which runs it shows, [`facts`] reads them, [`build`] lays out the data, [`page`] makes the file, [`check`]
//! compares a file with what would be made now. Nothing is fetched but file lists: data that this clone lacks is named as
//! missing. All of it depends on commits, tags and data alone: no clock, locale, path or name of a machine.
//!
//! The page is in `page/`: `page.html` is a template with these placeholders, each of which may stand in it more than once.
//!
//! | placeholder | what takes its place |
//! |---|---|
//! | `{{policy}}` | the Content-Security-Policy, with the hashes of both scripts and the style |
//! | `{{generator}}` | [`page::GENERATOR`], by which a file is known as one of ours |
//! | `{{title}}` | the title, escaped for HTML |
//! | `{{style}}` | `vendor/uplot/uPlot.min.css`, then `style.css` |
//! | `{{data}}` | the JSON of the report's data, which `report-data.d.ts` describes |
//! | `{{chart_library}}` | `vendor/uplot/uPlot.iife.min.js` |
//! | `{{script}}` | the modules of `js/`, joined in the order that [`assets`] lists |
//!
//! The modules are plain ES modules, so that a type checker reads them as they are. They are joined by leaving out imports and
//! the word `export`: an import is a statement at the top of its file that begins with `import` and ends with `;` at a line's
//! end, `export` stands only before a declaration, and each name at the top of a module is used once in all of them.

pub mod assets;
pub mod build;
pub mod check;
pub mod config;
pub mod data;
pub mod destination;
pub mod error;
pub mod facts;
pub mod fit;
pub mod lineage;
pub mod missing;
pub mod page;
pub mod rev_history;
pub mod select;
pub mod table;
pub mod texts;
pub mod thin;
