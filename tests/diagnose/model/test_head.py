"""The head on the predicted positions alone gives what the whole forward pass gives there."""

import numpy as np
import pytest
import torch
from builders.models import llama, rows_of_many_lengths
from torch.nn.functional import log_softmax

from diagnose.model.head import answer_logits, fitting_tokens, last_states
from diagnose.model.hidden_states import mean_hidden_states
from diagnose.model.likelihoods import row_likelihoods
from diagnose.rows.tokens import NO_LOSS, collate

ROWS = rows_of_many_lengths(12)


def test_logits_are_those_of_the_whole_pass_at_the_positions_with_loss() -> None:
    model, batch = llama(41).eval(), collate(ROWS, np.arange(12), 0)
    logits, targets, has_loss = answer_logits(model, batch)
    with torch.no_grad():
        whole = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    assert torch.equal(has_loss, batch["labels"][:, 1:] != NO_LOSS)
    torch.testing.assert_close(logits, whole[has_loss])
    assert torch.equal(targets, batch["labels"][:, 1:][has_loss])


def test_last_states_are_what_transformers_gives_as_the_last_hidden_states() -> None:
    model, batch = llama(41).eval(), collate(ROWS, np.arange(12), 0)
    with torch.no_grad():
        given = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True
        ).hidden_states[-1]
    mask = batch["attention_mask"].bool()
    torch.testing.assert_close(last_states(model, batch)[mask], given[mask])
    assert mean_hidden_states(model, ROWS, 64).shape == (12, 16)


def test_a_row_is_read_as_token_by_token() -> None:
    model = llama(41).eval()
    found = row_likelihoods(model, ROWS, 30)
    for k in range(len(ROWS)):
        one = ROWS.select([k])
        ids = torch.from_numpy(one.ids.astype(np.int64))
        with torch.no_grad():
            scores = log_softmax(model(ids[None]).logits[0].double(), -1)
        places = np.flatnonzero(one.has_loss[1:])
        total = sum(float(scores[place, ids[place + 1]]) for place in places)
        assert found.log_likelihood[k] == pytest.approx(total, abs=1e-4)
        assert found.last_log_likelihood[k] == pytest.approx(float(scores[-2, ids[-1]]), abs=1e-5)
        assert found.is_greedy[k] == all(int(scores[place].argmax()) == ids[place + 1] for place in places)


def test_the_logits_of_a_batch_fit_a_quarter_of_a_gibibyte_whatever_the_vocabulary() -> None:
    assert fitting_tokens(llama(41), 8192) == 8192
    wide = llama(49_152, hidden_size=2)
    assert fitting_tokens(wide, 8192) == 2**28 // (4 * 49_152) == 1365
    assert fitting_tokens(wide, 100) == 100
