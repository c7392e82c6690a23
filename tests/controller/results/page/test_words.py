"""Words of the page for names that the program uses."""

from controller.results.page.words.sentences import arm_words


def test_arms_have_names_in_words_and_those_of_a_source_its_name() -> None:
    assert arm_words("random@compute") == "Random data instead, same compute"
    assert arm_words("from:web/part 1") == "Any rows of web/part 1"
    assert arm_words("from:web@compute") == "Any rows of web, same compute"
    assert arm_words("without-clean") == "The fix without clean"
