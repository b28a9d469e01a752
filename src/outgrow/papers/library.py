"""How the papers of this folder are cited. A paper's own file may say more, and wins where it does."""

from __future__ import annotations

from outgrow.papers.paper import Paper, Picture

__all__ = ["LIBRARY"]

LIBRARY = (
    Paper(
        "charikar2024",
        "Quantifying the Gain in Weak-to-Strong Generalization",
        "Charikar, Pabbaraju, Shiragur, NeurIPS 2024",
        "2405.15116",
    ),
    Paper(
        "mulgund2025",
        "Relating Misfit to Gain in Weak-to-Strong Generalization Beyond the Squared Loss",
        "Mulgund, Pabbaraju, ICML 2025",
        "2501.19105",
    ),
    Paper(
        "xue2025",
        "Representations Shape Weak-to-Strong Generalization",
        "Xue, Li, Mirzasoleiman, ICML 2025",
        "2502.00620",
    ),
    Paper(
        "lang2024",
        "Theoretical Analysis of Weak-to-Strong Generalization",
        "Lang, Sontag, Vijayaraghavan, NeurIPS 2024",
        "2405.16043",
    ),
    Paper(
        "oh2025",
        "From Linear to Nonlinear: Provable Weak-to-Strong Generalization through Feature Learning",
        "Oh, Song, Yun, NeurIPS 2025",
        "2510.24812",
    ),
    Paper(
        "dong2025",
        "Discrepancies are Virtue: Weak-to-Strong Generalization through Lens of Intrinsic Dimension",
        "Dong, Li, Li, Lee, Lei, ICML 2025",
        "2502.05075",
    ),
    Paper(
        "ildiz2025",
        "High-dimensional Analysis of Knowledge Distillation: Weak-to-Strong Generalization and Scaling Laws",
        "Ildiz, Gozeten, Taga, Mondelli, Oymak, ICLR 2025",
        "2410.18837",
    ),
    Paper(
        "medvedev2025",
        "Weak-to-Strong Generalization Even in Random Feature Networks, Provably",
        "Medvedev, Lyu, Yu, Arora, Li, Srebro, ICML 2025",
        "2503.02877",
    ),
    Paper(
        "shin2025",
        "Weak-to-Strong Generalization Through the Data-Centric Lens",
        "Shin, Cooper, Sala, ICLR 2025",
        "2412.03881",
    ),
    Paper(
        "yang2024",
        "Super(ficial)-alignment: Strong Models May Deceive Weak Models in Weak-to-Strong Generalization",
        "Yang et al., ICLR 2025",
        "2406.11431",
    ),
    Paper(
        "burns2023",
        "Weak-to-Strong Generalization: Eliciting Strong Capabilities With Weak Supervision",
        "Burns et al., ICML 2024",
        "2312.09390",
    ),
    Paper(
        "lang2025-selective",
        "Selective Weak-to-Strong Generalization",
        "Lang, Huang, Li, AAAI 2026",
        "2511.14166",
        also=("lang2025selective", "lang2025_selective"),
        scaled="own answers of a head cross-fitted on 500 rows, movie snippets and newsgroups; the paper's models are not known to us.",
        pictures=(
            Picture(
                "ik_transfers",
                "scatter",
                "AUROC on movies",
                "AUROC on newsgroups",
                diagonal=True,
                title="Knowing what one knows, on the task it was learned on and on another",
                x_words="AUROC on movies",
                y_words="AUROC on newsgroups",
            ),
        ),
    ),
    Paper(
        "lang2025-debate",
        "Debate Helps Weak-to-Strong Generalization",
        "Lang, Huang, Li, AAAI 2025",
        "2501.13124",
        also=("lang2025_debate", "lang2025debate"),
        models=("Qwen/Qwen-7B", "Qwen/Qwen-14B"),
        data=("allenai/sciq", "google/boolq", "allenai/cosmos_qa", "Anthropic/hh-rlhf"),
        scaled="a made-up world of arguments in place of debates of language models.",
        no_scale=(
            "The claims are about a made-up world of arguments, which has no size in the paper. Debates of Qwen models on its four sets, "
            "named here, are a study of the user's: the supervisor 'debate' holds them; its prompts and sizes are unknown to us."
        ),
        pictures=(
            Picture(
                "debate_ensemble",
                "scatter",
                "debate 1",
                "debate 4",
                diagonal=True,
                title="Four debates beside one, seed by seed",
                x_words="judge's accuracy, one debate",
                y_words="judge's accuracy, four debates",
            ),
            Picture(
                "debate_arguments_help",
                "scatter",
                "alone",
                "debate 4",
                diagonal=True,
                title="A judge with debates beside one without",
                x_words="judge's accuracy alone",
                y_words="judge's accuracy, four debates",
            ),
        ),
    ),
    Paper(
        "shi2025", "How to Mitigate Overfitting in Weak-to-strong Generalization?", "Shi et al., ACL 2025", "2503.04249"
    ),
    Paper(
        "jeon2025-raven",
        "Weak-to-Strong Generalization under Distribution Shifts (RAVEN)",
        "Jeon, Sobotka, Choi, Brbic, NeurIPS 2025",
        "2510.21332",
        also=("jeon2025",),
        scaled="digits under backgrounds and a small network in place of camera traps, tissue and DINO.",
        no_scale=(
            "Its images (iWildCam, Camelyon17, fMoW) come from WILDS and not from the Hub, and the Hub ids of its models (DINO, "
            "Llama-3.2-1B, Llama-3.1-8B, Qwen2.5-0.5B, Qwen2.5-7B) and of Amazon-WILDS are unknown to us."
        ),
        pictures=(
            Picture(
                "raven_above_naive",
                "scatter",
                "mean naive",
                ("raven", "uniform, soft", "uniform, hard"),
                title="RAVEN and uniform ensembles beside the mean naive student, seed by seed",
                x_words="accuracy, mean of naive students",
                y_words="accuracy",
            ),
        ),
    ),
    Paper(
        "yao2025",
        "Revisiting Weak-to-Strong Generalization in Theory and Practice: Reverse KL vs. Forward KL",
        "Yao et al., ACL Findings 2025",
        "2502.11107",
    ),
    Paper(
        "guo2024",
        "Vision Superalignment: Weak-to-Strong Generalization for Vision Foundation Models",
        "Guo et al., 2024",
        "2402.03749",
    ),
    Paper(
        "trust2026",
        "Learning to Trust",
        "ICML 2026",
        "2606.01000",
        scaled="a probe on static word vectors and movie snippets in place of language models and multiple-choice questions.",
        pictures=(
            Picture(
                "trust_gains",
                "scatter",
                "naive",
                "trusting",
                diagonal=True,
                title="Students that trust by the supervisor's state, beside naive ones",
                x_words="accuracy of naive",
                y_words="accuracy of trusting",
            ),
        ),
    ),
    Paper(
        "eleuther2024",
        "Improving Weak-to-Strong Generalization with Reliability-Aware Alignment",
        "Guo, Yang, 2024, and EleutherAI's w2s code",
        "2406.19032",
    ),
    Paper("ensemw2s2024", "EnsemW2S", "Agrawal et al., 2024", "2410.04571"),
    Paper(
        "burns2022",
        "Discovering Latent Knowledge in Language Models Without Supervision",
        "Burns, Ye, Klein, Steinhardt, ICLR 2023",
        "2212.03827",
    ),
    Paper(
        "dawid1979",
        "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm",
        "Dawid, Skene, 1979",
    ),
    Paper(
        "saerens2002",
        "Adjusting the Outputs of a Classifier to New a Priori Probabilities",
        "Saerens, Latinne, Decaestecker, 2002",
    ),
    Paper("outgrow2026", "The recipe of this package", "ours"),
    Paper("ours", "Anchored students", "ours"),
)
