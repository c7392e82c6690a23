"""What the command line says to bad input: one line that names the key, the value, the rule and the way out, exit code
2, and nothing spent."""

import re
from pathlib import Path

import pytest
from builders.bad_inputs import write_inputs

from controller.main import run

Row = tuple[str, str]
"""Words of the command, and what it says; `loop` where they begin with no verb."""

KEYS: list[Row] = [
    ("train.learning_rat=1", "unknown key 'train.learning_rat'; did you mean 'train.learning_rate'?"),
    ("trian.max_steps=1", "unknown key 'trian.max_steps'; did you mean 'train.max_steps'?"),
    ("model=pretraind", "did you mean 'pretrained'?; known are pretrained, recorded, scratch"),
    ("model=pretrained", "model.name must be given, for example model.name=..."),
    ("model=scratch model.name=tiny", "'model.name' is a key of another choice of model; leave it out"),
    ("interventions=retrieve interventions.programs=a.py", "is a key of another choice of interventions"),
    ("interventions=retrieve interventions.wordings={a:[b]}", "is a key of another choice of interventions"),
    ("verify=[random,bm25]", "verify takes one file, got verify=[random,bm25]; a set of arms is verify.arms="),
    ("verify=ful", "unknown verify 'ful'; did you mean 'full'?"),
    ("prove.stop=diagnosis", "'prove.stop' is a key of evalmend prove alone; leave it out"),
    ("seed=nan", "seed: Value 'nan' of type 'float' could not be converted to Integer"),
    ("seed=[1,2]", "seed: Value '[1, 2]' of type 'list' could not be converted to Integer"),
    ("train.max_steps=many", "train.max_steps: Value 'many' of type 'str' could not be converted to Integer"),
    ("train.learning_rate=[1]", "train.learning_rate: Value '[1]' of type 'list' could not be converted to Float"),
    ("train.bf16=maybe", "train.bf16: Value 'maybe' is not a valid bool"),
    ("evals.tasks=mine", "evals.tasks: Invalid value assigned: str is not a ListConfig, list or tuple"),
]
LOOP: list[Row] = [
    ("seed=-1", "seed must be at least 0 and below 1000000, got -1"),
    ("seed=99999999999", "seed must be at least 0 and below 1000000, got 99999999999"),
    ("workers=0", "workers must be at least 1, got 0; leave it unset for as many as fit"),
    ("run_dir=file", "file cannot be a folder that is written to: File exists; choose another run_dir"),
    ("run_dir=file/run", "cannot be a folder that is written to: Not a directory; choose another run_dir"),
    ("run_dir=/proc/run", "run_dir /proc/run cannot be a folder that is written to: "),
    ("tracking.uri=htp://host", "tracking.uri must be an MLflow server such as http://host:5000, or a database"),
    ("tracking.uri=nonsense", "got nonsense; tracking.uri=none logs nothing"),
    ("tracking.experiment=' '", "tracking.experiment must not be empty, got ' '; for example evalmend"),
    ("budget.rounds=0", "budget.rounds must be positive, got 0"),
    ("budget.seconds=-1", "budget.seconds must be positive, got -1.0"),
    ("budget.flops=nan", "budget.flops must be finite, got nan"),
    ("pilots.scales=[2,1]", "pilots.scales must be above 0 and at most 1, got [2.0, 1.0]; [] tries none"),
    ("pilots.scales=[0.5]", "pilots.scales must be at least two, 1 among them, got [0.5]"),
    ("pilots.length=nan", "pilots.length must be above 0 and at most 1, got nan"),
    ("controller.approval=aks", "controller.approval must be one of never, ask, got 'aks'; did you mean 'ask'?"),
    ("sweep.objective=gian", "sweep.objective must be one of gain, gain_low, score, score_per_token, got 'gian'"),
    ("sweep.sealed=all", "sweep.sealed must be one of best, each, none, got 'all'"),
]
TRAIN: list[Row] = [
    ("train.learning_rate=-1", "train.learning_rate must be positive, got -1.0"),
    ("train.learning_rate=nan", "train.learning_rate must be finite, got nan"),
    ("train.learning_rate=inf", "train.learning_rate must be finite, got inf"),
    ("train.num_train_epochs=0", "train.num_train_epochs must be positive, got 0.0"),
    ("train.tokens=0", "train.tokens must be positive, got 0"),
    ("train.max_length=0", "train.max_length must be positive, got 0"),
    ("train.warmup_steps=nan", "train.warmup_steps must be finite, got nan"),
    ("train.weight_decay=-1", "train.weight_decay must not be negative, got -1.0"),
    ("train.max_grad_norm=nan", "train.max_grad_norm must be finite, got nan"),
    ("train.start=bas", "train.start must be one of base, champion, got 'bas'; did you mean 'base'?"),
    ("train.retrain_below=nan", "train.retrain_below must be between 0 and 1, got nan; 0 means never"),
    ("train.update.max_steps=0", "train.update.max_steps must be positive, got 0"),
    ("train.initial=false", "train.initial=false needs a trained model, got model=scratch; set model=pretrained"),
    ("train.lr_scheduler_type=lineer", "must be one of linear, cosine, cosine_with_restarts, polynomial, constant, "),
    ("train.lr_scheduler_type=reduce_lr_on_plateau", "got 'reduce_lr_on_plateau'"),
]
VERIFY: list[Row] = [
    ("verify.seeds=0", "verify.seeds must be at least 1, got 0; the gate accepts from 3 on"),
    ("verify.alpha=1", "verify.alpha must be between 0 and .5, got 1.0"),
    ("verify.margin=0", "verify.margin must be positive, got 0.0"),
    ("verify.min_gain=nan", "verify.min_gain must be finite, got nan"),
    ("verify.match=flops", "verify.match must be one of tokens, compute, got 'flops'"),
    ("verify.doses=[1]", "verify.doses must not hold 1, got [1]"),
    ("verify.arms=[continue,bm52]", "unknown arm 'bm52' in verify.arms; did you mean 'bm25'?"),
    ("verify.arms=[continue,from:]", "unknown arm 'from:' in verify.arms; did you mean 'from:SOURCE'?"),
    ("verify.arms=[continue,from:web]", "and no row comes from the source 'web'; they come from "),
    ("corpus.max_rows=0", "corpus.max_rows must be a number of rows, at least 1, got 0; unset it to read every row"),
    ("verify.arms=[random]", "verify.arms must hold 'continue', got [random]"),
    ("verify.arms=[continue,random,random]", "verify.arms names 'random' twice"),
    (
        "verify.match=compute verify.arms=[continue,random@compute]",
        "verify.match=compute matches every arm's compute already, got 'random@compute'",
    ),
    ("verify verify.model=tiny", "verify.model and verify.challenger go together"),
    ("verify verify.model=tiny verify.challenger=[3]", "verify.challenger must be a folder or hub id, or a list of"),
    ("verify verify.model=./gone verify.challenger=tiny", "verify.model ./gone does not exist (looked from "),
    ("verify verify.model=tiny verify.challenger=weightless", "verify.challenger weightless has a config and no weig"),
    ("verify verify.model=tiny verify.challenger=misplaced", "has 32 inputs in the adapter and 16 in the base; set "),
    ("verify verify.model=tiny verify.challenger=baseless", "gone, which transformers does not load"),
]
FIXES: list[Row] = [
    ("diagnose.min_items=0", "diagnose.min_items must be at least 1, got 0; leave it out for the default"),
    ("diagnose.alpha=nan", "diagnose.alpha must be between 0 and 1, got nan"),
    ("diagnose.token_steps=-1", "diagnose.token_steps must not be negative, got -1; 0 leaves it out"),
    ("diagnose.fidelity_parts=1", "a rank correlation over fewer trainings says nothing"),
    ("diagnose.influence.temperature=0", "diagnose.influence.temperature must be positive, got 0"),
    ("diagnose.influence.damping=nan", "diagnose.influence.damping must be positive, got nan"),
    ("diagnose.influence.rerank=.5", "diagnose.influence.rerank must be at least 0 and below .5, got 0.5"),
    ("diagnose.influence.checkpoint_weights=rate", "equal, learning_rate"),
    ("diagnose.mode_labels=gone.jsonl", "diagnose.mode_labels names a file that does not exist"),
    ("diagnose.mode_labels=train.jsonl", "line 1 of 'train.jsonl': target must be a text, got no such key"),
    ("diagnose.influence.last_blocks=0", "diagnose.influence.last_blocks must be at least 1, got 0"),
    ("interventions.num_examples=0", "interventions.num_examples must be at least 1, got 0; unset means no limit"),
    ("interventions.share=1", "interventions.share must be between 0 and 1, got 1.0"),
    ("interventions.max_synthetic_share=nan", "interventions.max_synthetic_share must be between 0 and 1, got nan"),
    ("interventions.max_factor=inf", "interventions.max_factor must be above 1 and finite, got inf"),
    ("interventions=reformat interventions.wordings={a:['{b} c']}", "wordings.a needs at least two wordings"),
    ("interventions=programs", "interventions=programs needs interventions.programs, a file that registers them"),
    ("interventions.programs=gone.py", "interventions.programs gone.py does not exist (looked from "),
    ("interventions.programs=raises.py", "raises.py cannot be imported: RuntimeError: not today"),
    ("interventions.programs=none.py", "none.py must define PROGRAMS, a list of interventions.program.Program"),
]
CORPUS: list[Row] = [
    ("corpus.train=gone.jsonl", "corpus.train gone.jsonl does not exist (looked from "),
    ("corpus.pool=gone.jsonl", "corpus.pool gone.jsonl does not exist (looked from "),
    ("corpus.train=folder", "corpus.train folder is a folder without any .jsonl, .json, .jsonl.gz"),
    ("corpus.train=table.csv", "corpus.train table.csv has an unknown ending; known are .jsonl, .json, "),
    ("corpus.train=hub:name", "corpus.train must read hub:name:split or hub:name:config:split, got 'hub:name'"),
    ("corpus.train=broken.jsonl", "corpus.train broken.jsonl, line 2 is not JSON: Expecting value at column 1"),
    ("corpus.pool=broken.jsonl", "corpus.pool broken.jsonl, line 2 is not JSON: Expecting value at column 1"),
    ("corpus.train=numbers.jsonl", "line 1 is not a JSON object but int; each line is one row, {...}"),
    ("corpus.train=latin.jsonl", "corpus.train latin.jsonl is not UTF-8: "),
    ("corpus.train=text.jsonl.gz", "corpus.train text.jsonl.gz is no whole gzip file"),
    ("corpus.train=text.parquet", "corpus.train text.parquet could not be read: Parquet magic bytes not found"),
    ("corpus.train=empty.jsonl", "corpus.train empty.jsonl is empty: there is not one row to train on"),
    ("corpus.train=blank.jsonl", "corpus.train blank.jsonl is empty: there is not one row to train on"),
    ("corpus.train=fieldless.jsonl", "row 2 has no field 'prompt'; it has completion"),
    ("corpus.train=nested.jsonl", "row 1: field 'completion' (corpus.completion) is a dict and not text"),
    ("corpus.prompt=question", "row 1 has no field 'question' (corpus.prompt); it has prompt, completion"),
    ("corpus.id=number", "row 1 has no field 'number' (corpus.id); it has prompt, completion"),
    ("corpus.slices=[skill]", "corpus.slices names the field 'skill', which no row of train.jsonl has; they have no"),
    ("corpus.slices=skill", "corpus.slices: Invalid value assigned: str is not a ListConfig, list or tuple"),
    ("corpus.train=[a,b]", "or several of them by name as in {web: web.jsonl, math: math.jsonl}, got ['a', 'b']"),
    (r"corpus.prompt_template='Q:\\n{prompt}'", "holds a backslash and an n where a line break is meant"),
    ("corpus.prompt_template=Q", "corpus.prompt_template must contain {prompt}, got 'Q'; write for example"),
    ("corpus=starter corpus.train=a.jsonl", "corpus.train must not be given to a corpus with a name"),
    ("corpus.train={web: train.jsonl, web: empty.jsonl}", "corpus.train names 'web' twice"),
    ("corpus.train={web: train.jsonl, math: empty.jsonl}", "corpus.train.math empty.jsonl is empty"),
    ("corpus.weights={web: 1}", "corpus.train=train.jsonl is one source without a name"),
    ("loop --config-dir=own experiment=twice", "twice.yaml, line 3 cannot be read: found duplicate key web"),
]
CONVERSATIONS: list[Row] = [
    ("answer-first", "'messages' has roles out of order: it begins with a turn of the assistant"),
    ("two-questions", "'messages' has roles out of order: turns 1 and 2 are both of the user"),
    ("late-system", "'messages' has roles out of order: turn 3 is of the system; only the first may be"),
    ("no-answer", "'messages' ends with a turn of the user, so nothing is learnt; end with an answer"),
    ("empty-turn", "'messages' has an empty turn 2 (assistant); leave the row out or fill it"),
    ("unknown-role", "'messages' has a turn 2 of the unknown role 'bot'; known are assistant, developer"),
    ("picture", "'messages' has a part of type 'image_url' in turn 1; only text can be trained on here"),
    ("number", "'messages' has a turn 1 whose content is 3, and not text"),
    ("no-turns", "'messages' is no list of turns but []"),
    ("text", "'messages' is no list of turns but 'say w1'"),
    ("system", "refuses a conversation with the roles system, user, assistant: no system turn"),
]
CHAT: list[Row] = [
    ("corpus.train=good.jsonl corpus.messages=messages {tiny}", "the tokenizer of 'tiny' has no chat template; take"),
    ("corpus.train=good.jsonl corpus.messages=messages", "one made from nothing has none; set model=pretrained"),
    ("evals.apply_chat_template=true {tiny}", "the tokenizer of 'tiny' has no chat template; take the model's chat"),
    ("evals.apply_chat_template=tool_use {chat}", "'tool_use' names one of several templates, but the tokenizer of"),
    ("evals.fewshot_as_multiturn=true", "needs turns: set evals.apply_chat_template=true, or leave it unset"),
    ("corpus.text=prompt corpus.messages=a", "reads plain text, which corpus.messages=a does not; unset one of them"),
    ("corpus.train=good.jsonl", "row 1 has no field 'prompt' (corpus.prompt); it has messages; set corpus.messages="),
]
EVALS: list[Row] = [
    ("evals.tasks=[]", "evals.tasks must name at least one task, got []; for example evals.tasks=[gsm8k]"),
    ("evals.tasks=[mime]", "unknown task 'mime'; did you mean 'mine'?"),
    ("evals.guards=[mine]", "evals.guards repeats tasks of evals.tasks: mine; name each once"),
    ("evals.include_path=gone", "evals.include_path must be a folder of lm-eval YAML files, got 'gone'"),
    ("evals.include_path=file", "evals.include_path must be a folder of lm-eval YAML files, got 'file'"),
    ("evals.tasks=[code]", "task 'code' runs code that the model wrote, which is not done here; leave it out"),
    ("evals.tasks=[fieldless]", "task 'fieldless' could not be loaded: UndefinedError: 'question' is undefined"),
    ("evals.tasks=[splitless]", "task 'splitless' could not be loaded: KeyError: 'exam'; check its YAML file"),
    ("evals.tasks=[corpus_only]", "task 'corpus_only' scores the whole corpus only (bleu)"),
    ("evals.tasks=[long_answers] {tiny}", "asks for answers of 100 tokens, but the model reads 64 with the prompt"),
    ("evals.tasks=[long_prompts] {tiny}", "none of the 30 prompts of task 'long_prompts' fits into the 61 tokens"),
    ("evals.max_gen_toks=5000", "asks for answers of 5000 tokens, but the model reads 2048 with the prompt; set"),
    (
        "evals.metric=exact_match/NOPE",
        "evals.metric='exact_match/NOPE' is a metric of no task that it is for (mine); did you mean 'exact",
    ),
    ("evals.slices=[colour]", "evals.slices names the field 'colour', which no document has; the documents have"),
    ("evals.limit=0", "evals.limit must be at least 1, got 0; leave it unset for no limit"),
    ("evals.limit=1", "no item of 1 of evals.tasks is in split probe"),
    ("evals.num_fewshot=-1", "evals.num_fewshot must not be negative, got -1"),
    ("evals.batch_size=0", "evals.batch_size must be at least 1, got 0"),
    ("evals.gen_kwargs={temperatur:1}", "evals.gen_kwargs.temperatur is not a generation setting; did you mean 'tem"),
    ("evals.gen_kwargs={temperature:hot}", "evals.gen_kwargs.temperature must be a number and not negative, got 'hot'"),
    ("evals.per_task={mime:{limit:2}}", "evals.per_task must be one of mine, got 'mime'; did you mean 'mine'?"),
    ("evals.per_task={mine:{limt:2}}", "evals.per_task.mine must be one of limit, num_fewshot, apply_chat_template,"),
    ("evals.per_task={mine:{limit:many}}", "evals.per_task: limit of mine must be of type int, got 'many'"),
    ("evals.per_task={mine:{limit:0}}", "evals.limit must be at least 1, got 0"),
    ("evals.templates={a:['(']}", "evals.templates.a holds no regular expression: '('"),
    ("evals.templates={a:[b]}", "evals.templates.a needs named groups for what differs between items, got 'b'"),
]
MODELS: list[Row] = [
    ("model=pretrained model.name=folder", "model.name folder is a folder without config.json, so not a model"),
    ("model=pretrained model.name=./gone", "model.name ./gone does not exist (looked from "),
    ("model=pretrained model.name=file", "model.name must be a folder or a hub id, got the file file; name the fold"),
    ("model=pretrained model.name=unreadable", "model.name unreadable is not a model that transformers loads"),
    ("model=pretrained model.name=weightless", "model.name weightless has a config and no weights (*.safetensors,"),
    ("model=pretrained model.name=cut", "cut/model.safetensors is no whole file of weights"),
    ("model=pretrained model.name=untokenized", "model.name untokenized has no tokenizer that transformers loads"),
    ("model=pretrained model.name=quantised", "quantised is quantised, and cannot be loaded here: "),
    ("model=pretrained model.name=adapter", "model.name adapter holds an adapter and no model; merge it into its"),
    ("{tiny} model.checkpoints=[narrow]", "'narrow' has hidden_size 16, 'tiny' has 32; give checkpoints of one"),
    ("{tiny} model.checkpoints=[adapter]", "model.checkpoints adapter holds an adapter and no model; merge it"),
    ("{tiny} model.dtype=int8", "model.dtype must be one of auto, float32, bfloat16, float16, got 'int8'"),
    ("{tiny} model.lora.r=0", "model.lora.r must be positive, got 0"),
    ("{tiny} model.lora.alpha=-1", "model.lora.alpha must be positive, got -1.0"),
    ("{tiny} model.lora.dropout=1", "model.lora.dropout must be at least 0 and below 1, got 1.0; 0 drops nothing"),
    ("{tiny} model.lora.r=2 model.lora.target_modules=nope", "must match the whole name of a module, got 'nope'"),
    ("model.tokenizer=words", "model.tokenizer must be one of word, char, bpe, got 'words'; did you mean 'word'?"),
    ("model.vocab_size=0", "model.vocab_size must be positive, got 0"),
    ("{tiny} model.arch.hidden_size=3", "'model.arch' is a key of another choice of model; leave it out"),
    ("{tiny} model.arch={hidden_size: 3}", "'model.arch' is a key of another choice of model; leave it out"),
    ("model.arch=3", "model.arch must be fields of a transformers config, as {model_type: gpt2}, got 3"),
    ("model.arch.model_type=lama", "model.arch.model_type 'lama' is not known to transformers; did you mean 'llama'"),
    ("model.arch.hiden_size=3", "is not a field of a llama config; did you mean 'hidden_size'?"),
    ("model.arch.hidden_size=many", "model.arch describes no llama that can be built, got "),
    ("model.arch.hidden_size=-3", "model.arch describes no llama that can be built, got "),
    ("model.arch.vocab_size=2", "model.arch.vocab_size 2 is smaller than the tokenizer's"),
    ("model.arch.max_position_embeddings=4", "train.max_length 512 exceeds the model's context of 4"),
]
ASKED: list[Row] = [
    ("evals.backend=openai", "evals.backend=openai asks a server, which does not have the models that a loop"),
    ("evals.model_args.max_lenght=8", "got 'max_lenght'; did you mean 'max_length'?"),
    ("evals.model_args={dtype: float16}", "evals.model_args.dtype is what model.dtype says"),
    ("evals.per_task.mine.filter=strict", "evals.filter='strict' is a filter of no task that it is for (mine)"),
]
RECORDED: list[Row] = [
    ("diagnose model=recorded corpus=files", "model=recorded needs evals.samples, a folder of logs"),
    ("diagnose evals.samples=gone", "evals.samples must name a folder of logs, got 'gone', which does not exist"),
    ("diagnose evals.samples=folder", "evals.samples: folder holds no logs that can be read (it is empty)"),
    ("diagnose evals.samples=unfinished", "is a log with status 'started', not of a finished evaluation; finish it"),
    ("diagnose evals.samples=two-filters", "by 2 filters; choose one with evals.filter=first or evals.filter=last"),
    ("diagnose evals.samples=two-filters evals.filter=lst", "got evals.filter=lst; choose one with evals.filter=first"),
    ("diagnose evals.samples=old-version evals.include_path=tasks", "answers to version 1 of versioned, the installed"),
    ("diagnose evals.samples=scoreless", "has scores and no samples of mine; a diagnosis needs the answers"),
    ("diagnose evals.samples=cut-log", "is no complete JSON"),
    ("diagnose evals.samples=log model=scratch", "and model=scratch makes another one"),
    ("diagnose evals.samples=log corpus.train=gone.jsonl", "corpus.train gone.jsonl does not exist"),
    ("diagnose evals.samples=log evals.tasks=[brds]", "names 'brds', which log does not hold; did you mean 'birds'?"),
    ("diagnose evals.samples=log evals.slices=[colour]", "names the field 'colour', which no document has"),
    ("diagnose evals.samples=log diagnose.fidelity=true", "got true with model=recorded, which has none"),
    ("loop evals.samples=log", "are read by evalmend diagnose alone"),
    ("measure evals.filter=first", "evals.filter='first' is a filter of no task that it is for (mine)"),
]
WITH_MODEL = {name: f"model=pretrained model.name={name}" for name in ("tiny", "chat")}
SPENDS_NOTHING = ("corpus-train-", "corpus-pool-", "count-corpus-", "read-samples-", "build-")
"""Stages that may be done before input is refused: rows and logs are read and counted, a model from nothing has its
tokenizer made."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


def command(words: list[str], run_dir: Path) -> list[str]:
    """The command of a row, with what it leaves open."""
    verb, given = (words[0], words[1:]) if "=" not in words[0] else ("loop", words)
    defaults = [f"run_dir={run_dir}", "tracking.uri=none"]
    if not any(word.startswith(("evals.samples=", "model=recorded")) for word in given):
        defaults += ["evals.tasks=[mine]", "evals.include_path=tasks", "train.max_steps=2"]
        if not any(word.startswith("corpus=") for word in given):
            defaults.append("corpus.train=train.jsonl")
    return [verb, *defaults, *given]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        *KEYS,
        *LOOP,
        *TRAIN,
        *VERIFY,
        *FIXES,
        *CORPUS,
        *((f"corpus.train={name}.jsonl corpus.messages=messages {{chat}}", says) for name, says in CONVERSATIONS),
        *CHAT,
        *EVALS,
        *MODELS,
        *ASKED,
        *RECORDED,
    ],
)
def test_bad_input_is_one_line_with_exit_code_2_and_nothing_is_spent(
    words: str,
    message: str,
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(inputs)
    for name, choice in WITH_MODEL.items():
        words = words.replace(f"{{{name}}}", choice)
    code = run(command(re.split(r" (?=[\w.-]+=)", words), tmp_path / "run"))
    err = capfd.readouterr().err
    lines = [line for line in err.splitlines() if line.startswith("evalmend: ")]
    assert (code, len(lines)) == (2, 1), err
    assert message in lines[0]
    assert "Traceback" not in err
    assert "Error executing job" not in err  # Hydra's own line
    assert "provider=" not in err  # where Hydra looked
    begun = [path.name for path in (tmp_path / "run" / "stages").glob("*")]
    assert not [name for name in begun if not name.startswith(SPENDS_NOTHING) or name.endswith(".partial")]


def test_with_debug_bad_input_shows_where_it_was_noticed(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["loop", "train.learning_rate=-1", "--debug"]) == 2
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1] == "evalmend: train.learning_rate must be positive, got -1.0"
