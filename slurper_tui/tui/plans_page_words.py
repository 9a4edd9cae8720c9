"""What is asked before a plan's jobs are given up or sent again."""

from __future__ import annotations

from slurper_tui.monitor.model.plans import Plan, Step, StepState
from slurper_tui.tui.confirm_words import Question
from slurper_tui.tui.render.glyphs import Look


def cancel_question(plan: Plan) -> Question:
    """Whether what cancelling gives up is to be given up."""
    number = len(plan.given_up)
    if all(step.state is StepState.UNDECIDED for step in plan.given_up):
        return Question(
            title=f"Let go of the {_jobs(number, 'that was', 'that were')} not answered?",
            said="if the API made one all the same, it goes on; nothing here sends one again",
            yes="let go",
            harsh=True,
        )
    return Question(
        title=f"Give up the {_jobs(number, 'that has', 'that have')} not been started?",
        said="what is given up is never started. Jobs that were started go on",
        yes="give up",
        harsh=True,
    )


def _jobs(number: int, one: str, more: str) -> str:
    return f"job {one}" if number == 1 else f"{number} jobs {more}"


def again_question(step: Step, look: Look) -> Question:
    """Whether a step is to be sent again."""
    known = look.glyphs.clean(step.said) or str(step.state)
    if step.state is StepState.REFUSED:
        said = f"{known}. Nothing was made of it"
    else:
        said = (
            f"{known}. If the API made the job all the same, its objects are copied twice. "
            "The list is looked into once more before anything is sent"
        )
    return Question(title=f"Send job {step.number} again?", said=said, yes="send it", harsh=True)
