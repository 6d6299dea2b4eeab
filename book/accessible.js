// What mdBook's pages lack for those who read without a mouse.
'use strict';
(() => {
    // A block that can be scrolled has to be reached by the keyboard, or its end can't be read.
    const scrollable = () => {
        for (const block of document.querySelectorAll('pre > code')) {
            if (block.scrollWidth > block.clientWidth) {
                block.tabIndex = 0;
            }
        }
    };
    scrollable();
    window.addEventListener('resize', scrollable);

    // The label that shows and hides the table of contents says whether it is open, which only a button may.
    const toggle = document.getElementById('mdbook-sidebar-toggle');
    if (toggle && toggle.tagName === 'LABEL') {
        toggle.setAttribute('role', 'button');
        toggle.tabIndex = 0;
        toggle.addEventListener('keydown', event => {
            if (event.key === 'Enter' || event.key === ' ') {
                event.preventDefault();
                toggle.click();
            }
        });
    }
})();
