//! How the parts of labs look. It stands in every chapter that has some, so that anyone's mdBook needs nothing but the preprocessor.

/// A style sheet for mdBook's five themes: text has the colour of the page's text, and what is drawn has one that can be seen on the ground.
pub(super) const STYLE: &str = "<style>\
:root{--lab-accent:#1d5a9e;--lab-line:#6b6b6b;--lab-ground:rgba(128,128,128,.1)}\
html.navy,html.coal,html.ayu{--lab-accent:#8ab8f0;--lab-line:#9a9a9a}\
.lab-figure{margin:1em 0;max-width:480px}\
.lab-figure svg{width:100%;height:auto;display:block}\
.lab-figure text{fill:var(--fg);font-family:inherit;font-size:13px}\
.lab-figure text.lab-name{font-weight:600;font-size:14px}\
.lab-figure figcaption{font-size:.9em}\
.lab-node{fill:var(--lab-ground);stroke:var(--lab-line);stroke-width:1.5}\
.lab-link{stroke:var(--lab-line);stroke-width:1.5;fill:none}\
.lab-slots{fill:none;stroke:var(--lab-line)}\
.lab-owned,.lab-mark{fill:var(--lab-accent)}\
.lab-span{stroke:var(--lab-accent);stroke-width:3;fill:none}\
.lab-tick{stroke:var(--lab-line);stroke-width:.5;stroke-dasharray:2 3;fill:none}\
.lab-output{overflow-x:auto;max-height:32em;overflow-y:auto;padding:.7em 1em;border-left:3px solid var(--lab-accent);\
background:var(--lab-ground);color:var(--fg);font-size:.85em;line-height:1.4;white-space:pre}\
.lab-output var{font-style:italic;color:var(--fg);border-bottom:1px dotted var(--lab-line)}\
.lab-quiet,.lab-probe{font-size:.95em}\
.lab-checks{padding:.1em 1em;border:1px solid var(--lab-line);border-radius:6px;margin:1em 0;overflow-wrap:anywhere}\
.lab-checks p{margin:.5em 0 .2em}.lab-checks ul{margin:.2em 0 .6em;padding-left:1.4em}\
.lab-note,.lab-stale{border-left:3px solid #c77700;padding:.1em 1em;background:var(--lab-ground);margin:1em 0;overflow-wrap:anywhere}\
.lab-hint summary,.lab-phases summary{cursor:pointer}\
main{overflow-wrap:anywhere}main table{overflow-wrap:normal}\
</style>\n";
