"""The tour in JupyterLab, its way to the glossary, and answers that open by keyboard, there and in Voila."""

from __future__ import annotations

from browser.notebook import error_outputs, open_notebook, run_all, write_notebook

ANSWER = "from avsep_lib.exercises import Answer\nAnswer('3.0 dB', 'because of n', {'n': '12'})"


def open_by_keyboard(page) -> None:
    """A folded answer shows nothing, and opens with a key."""
    summary = page.locator("details.answer > summary")
    summary.wait_for()
    found = page.get_by_text("3.0 dB", exact=True)
    assert not found.is_visible()
    summary.focus()
    page.keyboard.press("Enter")
    found.wait_for(state="visible")
    assert page.get_by_text("because of n", exact=True).is_visible()


def test_an_answer_stays_folded_in_jupyterlab_until_it_is_opened(page, lab, shots) -> None:
    write_notebook(lab.folder / "answer.ipynb", ANSWER)
    open_notebook(page, lab, "answer.ipynb")
    run_all(page)
    assert error_outputs(page) == []
    open_by_keyboard(page)
    shots(page, "lab_answer")


def test_an_answer_stays_folded_in_voila_until_it_is_opened(page, voila) -> None:
    write_notebook(voila.folder / "answer.ipynb", ANSWER)
    page.goto(voila.url("answer.ipynb"))
    open_by_keyboard(page)


def test_a_new_word_of_the_tour_leads_to_its_entry_in_the_glossary(page, lab, shots) -> None:
    open_notebook(page, lab, "00_start_here.ipynb")
    page.locator(".jp-RenderedMarkdown a", has_text="ideal binary mask").first.click()
    entry = page.locator(".jp-MarkdownViewer h3", has_text="ideal binary mask")
    entry.wait_for()
    page.wait_for_function(
        """() => {
            const headings = [...document.querySelectorAll('.jp-MarkdownViewer h3')];
            const place = headings.find(h => h.textContent.includes('ideal binary mask'))?.getBoundingClientRect();
            return place && place.top >= 0 && place.bottom <= window.innerHeight;
        }"""
    )
    shots(page, "lab_glossary")
