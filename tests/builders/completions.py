"""A real server that speaks OpenAI's completions for a small model: one thread, one request after the other."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


class Completions:
    """Completes prompts greedily, and tells the likelihood of every token of a prompt that is echoed."""

    def __init__(self, folder: Path, name: str, tells_likelihoods: bool) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.name = name
        self.tells_likelihoods = tells_likelihoods
        self.asked: list[dict[str, Any]] = []

    def complete(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(asked)
        prompts = asked["prompt"]
        if isinstance(prompts, str) or isinstance(prompts[0], int):
            prompts = [prompts]
        choices = [self._choice(prompt, asked) for prompt in prompts]
        return {"choices": [{"index": number, **choice} for number, choice in enumerate(choices)]}

    @torch.no_grad()
    def _choice(self, prompt: str | list[int], asked: dict[str, Any]) -> dict[str, Any]:
        before = self.tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else prompt
        tokens = list(before)
        for _ in range(asked["max_tokens"]):
            tokens.append(int(self.model(torch.tensor([tokens])).logits[0, -1].argmax()))
            if tokens[-1] == self.tokenizer.eos_token_id:
                break
        text = str(self.tokenizer.decode(tokens[len(before) :], skip_special_tokens=True))
        for stop in asked.get("stop") or ():
            text = text.split(stop, maxsplit=1)[0]
        if not asked.get("echo") or not self.tells_likelihoods:
            return {"text": text}
        likelihoods = self.model(torch.tensor([tokens])).logits[0].log_softmax(-1)
        of_tokens = [float(likelihoods[place, token]) for place, token in enumerate(tokens[1:])]
        best = [{"best": float(likelihoods[place].max())} for place in range(len(tokens) - 1)]
        return {"text": text, "logprobs": {"token_logprobs": [None, *of_tokens], "top_logprobs": [None, *best]}}


@contextmanager
def completions_server(folder: Path, name: str, *, tells_likelihoods: bool = True) -> Iterator[tuple[str, Completions]]:
    """Serve the model of a folder under this name; its address, and the model, which remembers what it was asked."""
    completions = Completions(folder, name, tells_likelihoods)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_known = self.path == "/v1/completions" and asked["model"] == completions.name
            told = completions.complete(asked) if is_known else {"error": f"model {asked['model']} does not exist"}
            body = json.dumps(told).encode()
            self.send_response(200 if is_known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            del args

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/completions", completions
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
