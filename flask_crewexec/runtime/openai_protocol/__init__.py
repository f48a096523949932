"""OpenAI's chat completions as servers really send them: bytes -> :class:`~.answer.Answer`.

Many servers speak this protocol nearly. What can be read is read; what cannot be is a
:class:`~.errors.MalformedAnswer`.
"""
