"""What the page of the commands tells beside the commands themselves: examples, files, further reading.

Every command has its entry in each table; a test reads the examples against the flags of the commands.
"""

EXAMPLES: dict[str, list[tuple[str, str]]] = {
    "demo": [
        (
            "fwi demo",
            "records, sections, verdicts, a refined section and an adapted network, in a minute or three",
        ),
        ("fwi demo --full", "from nothing: simulate 880 models, train on them, evaluate, invert"),
        ("fwi demo --models 4 --run runs/mine", "four salt models of each geology, in a folder of choice"),
    ],
    "simulate": [
        ("fwi simulate --config demo --dry-run", "how many samples and bytes, and about how long"),
        ("fwi simulate --config demo", "make the data set; repeat it to go on after an interruption"),
        (
            "fwi simulate --config mixed_half --part $SLURM_ARRAY_TASK_ID/8",
            "one part of eight, in a job array",
        ),
        ("fwi simulate --config salt_demo --salt.preset gulf --storage.folder data/gulf", "another geology"),
        ("fwi simulate --config demo --segy", "also as SEG-Y, for other programs"),
    ],
    "import": [
        (
            "fwi import models.npz --config fcnvmb_half --spacing 10 --key train --validation 100",
            "models of an array of a .npz",
        ),
        (
            "fwi import shots.segy --suggest-config line.yaml",
            "write a study whose survey takes the shots of a SEG-Y file",
        ),
        ("fwi import shots.segy --config line.yaml", "bring the shots onto that survey"),
        (
            "fwi import section.segy --config demo --unit km/s",
            "a velocity section in km/s; its records are simulated",
        ),
        (
            "fwi import 'model*.npy' --records 'data*.npy' --config openfwi",
            "models with their own records, as of OpenFWI",
        ),
        (
            "fwi import model.bin --shape 201 301 --axes x-depth --spacing 10 --config fcnvmb_half",
            "raw float32, trace by trace",
        ),
    ],
    "verify": [
        ("fwi verify data/demo", "check every sample, print statistics, write the card"),
        ("fwi verify data/demo --repair", "make damaged shards again"),
        ("fwi verify data/demo --against data/other", "refuse models that are in both, in different splits"),
    ],
    "train": [
        ("fwi train --config demo --run runs/demo", "train"),
        ("fwi train --run runs/demo --resume", "go on after an interruption, to the very same result"),
        (
            "fwi train --config demo --run runs/ca --model.attention ca ca ca ca --model.skip none none gate",
            "choose attention",
        ),
        (
            "fwi train --config salt_demo --config demo_short --run runs/adapted",
            "go on with a network of the zoo",
        ),
        ("fwi train --config demo --run runs/online --tracking.mode online", "log to Weights & Biases"),
    ],
    "evaluate": [
        ("fwi evaluate --run runs/demo", "score the test split; figures and report"),
        (
            "fwi evaluate --run runs/demo --robustness --samples 20",
            "how much worse on records with noise and faults",
        ),
        (
            "fwi evaluate --run runs/demo --refine 4 --budget 50",
            "score refined sections beside the network's",
        ),
        (
            "fwi evaluate --run salt-demo --data data/demo --out scores",
            "a network of the zoo on your data set",
        ),
    ],
    "invert": [
        (
            "fwi invert line.segy",
            "a network of the zoo that suits the file; section, interval, verdict, page",
        ),
        ("fwi invert line.segy --frequency 8 --out sections", "low-passed to 8 Hz first: deeper and coarser"),
        ("fwi invert field.segy --spreading point", "records of the field, whose source is a point"),
        (
            "fwi invert data/demo/test-00000.h5 --run runs/demo --sample 0",
            "a sample of a shard, with a run of your own",
        ),
        (
            "fwi invert gathers.npy --run salt-half --survey survey.yaml",
            "an array, whose survey a YAML tells",
        ),
        ("fwi invert line.segy --refine --budget '10 min'", "then refine the section"),
    ],
    "check": [
        ("fwi check section.npy line.segy --run salt-demo", "does this section explain these records?"),
        (
            "fwi check section.npy data/demo/test-00000.h5 --run runs/demo --sample 3",
            "the same for a sample of a shard",
        ),
    ],
    "calibrate": [
        ("fwi calibrate --run runs/demo", "on the validation records and 200 fresh models of each preset"),
        ("fwi calibrate --run runs/demo --models 50 --presets yang_ma gulf", "fewer, of two geologies"),
        ("fwi calibrate --run runs/demo --refined 40", "intervals of refined sections; minutes for each"),
    ],
    "refine": [
        ("fwi refine line.segy --run salt-demo", "invert, then refine"),
        (
            "fwi refine section.npy data/demo/test-00000.h5 --run runs/demo --sample 0",
            "a section that is there already",
        ),
        (
            "fwi refine data/demo/test-00000.h5 --run runs/demo --sample 0 --budget 50 --refine.power 1",
            "50 gradients, for noisy records",
        ),
        ("fwi refine start.npy gathers.npy --config mine.yaml", "plain FWI without a network"),
        ("fwi refine line.segy --run salt-demo --resume", "go on after Ctrl-C"),
    ],
    "zoo": [
        ("fwi zoo", "list the networks"),
        ("fwi zoo show salt-half", "print a card"),
    ],
    "export": [
        ("fwi export runs/demo --to handed-on", "safetensors with card, torch.export and ONNX"),
        (
            "fwi export runs/demo --to handed-on --formats onnx --half",
            "ONNX alone beside half-precision safetensors",
        ),
    ],
    "convert": [("fwi convert runs/old", "bring the run of an earlier version up to date")],
    "plot": [
        ("fwi plot section sections/line-0.npy --config sections/line-0.yaml --out section.png", "a section"),
        ("fwi plot gather data/demo/test-00000.h5 --sample 2 --shot 4 --out gather.png", "a shot gather"),
        (
            "fwi plot corruptions data/demo/test-00000.h5 --out corruptions.png",
            "a gather under each corruption",
        ),
        (
            "fwi plot attention --run salt-demo --data line.segy --out attention.png",
            "what a network attends to",
        ),
    ],
    "benchmark": [
        ("fwi benchmark simulate --config demo", "simulation beside the bare wave equation"),
        (
            "fwi benchmark attention --config demo --only se skip",
            "what attention costs, mechanism by mechanism",
        ),
        ("fwi benchmark physics --config demo", "error and cost of other orders, layers and time steps"),
        (
            "fwi benchmark refine --run runs/demo --samples 2 --out refine.json",
            "error against number of gradients",
        ),
    ],
    "sweep": [
        (
            "fwi sweep ablation --config fcnvmb_half --out runs/sweep "
            "--variants configs/ablation/plain.yaml configs/ablation/se.yaml",
            "two variants, three seeds each, compared with intervals",
        ),
    ],
    "config": [
        ("fwi config show --config demo --train.epochs 3", "the merged study as YAML"),
        ("fwi config validate --config mine.yaml", "all mistakes at once"),
        ("fwi config show --model --config demo", "the network, part by part"),
        ("fwi config schema", "the JSON Schema of study files, for editors"),
    ],
    "completion": [
        ("fwi completion bash > ~/.local/share/bash-completion/completions/fwi", "for bash"),
        ("fwi completion fish > ~/.config/fish/completions/fwi.fish", "for fish"),
    ],
}

WRITES: dict[str, str] = {
    "demo": "the folder `--run`: `records/` (SEG-Y), `sections/`, `figures/`, `report.html` and all of a "
    "[run](formats.md#run-folder); a data set in `storage.folder`",
    "simulate": "[shards and manifest.json](formats.md#shard) in `storage.folder`; with `--segy`, SEG-Y in "
    "its folder `segy`",
    "import": "[shards and manifest.json](formats.md#shard) in `storage.folder`; with `--suggest-config` a "
    "YAML alone",
    "verify": "`README.md` and `card.png` in the data set's folder",
    "train": "the [run folder](formats.md#run-folder) `--run`",
    "evaluate": "`evaluation.json`, `robustness.json`, `figures/` and `report.html` in the run's folder, or "
    "in `--out`",
    "invert": "[NAME.npy, .segy, .png, .html](formats.md#sections) and the ends of the interval in `--out`",
    "check": "[NAME-contradiction.npy, .segy, .png](formats.md#sections) beside the section, or in `--out`",
    "calibrate": "`trust.json` in the run's folder, and the calibration into its `inverter.safetensors`",
    "refine": "[NAME-refined.npy, .segy, .png, .json](formats.md#refinement) in `--out`",
    "zoo": "nothing",
    "export": "the folder `--to`: [what is handed on](formats.md#export)",
    "convert": "the files of the run that are of an earlier form",
    "plot": "the PNG `--out`",
    "benchmark": "nothing, or the JSON `--out`",
    "sweep": "a run folder for each training, and `ablation.md`, `.json` and `.png`, in `--out`",
    "config": "nothing",
    "completion": "nothing",
}

READ: dict[str, str] = {
    "demo": "[the five-minute tour](../start/index.md)",
    "simulate": "[data](../guide/data.md)",
    "import": "[data](../guide/data.md)",
    "verify": "[data](../guide/data.md)",
    "train": "[training](../guide/training.md)",
    "evaluate": "[training](../guide/training.md)",
    "invert": "[lines](../guide/lines.md)",
    "check": "[trust](../guide/trust.md)",
    "calibrate": "[trust](../guide/trust.md)",
    "refine": "[refining](../guide/refining.md)",
    "zoo": "[the networks and their cards](zoo.md)",
    "export": "[export](../guide/export.md)",
    "convert": "[run folder](formats.md#run-folder)",
    "plot": "[figures in Python](api/plots.rst)",
    "benchmark": "[how fast is it?](../results/how_fast.md)",
    "sweep": "[training](../guide/training.md)",
    "config": "[configuration](configuration.md)",
    "completion": "[studies by name](configuration.md#packaged-studies)",
}

ACTIONS: dict[str, dict[str, str]] = {
    "zoo": {
        "list": "list the networks, one a line; this is what `fwi zoo` does",
        "show": "print the card of the network that is named",
    },
    "plot": {
        "section": "a velocity section of a shard, or of a `.npy` on the study's grid",
        "gather": "a shot gather of a shard",
        "corruptions": "a gather of a shard, clean and under each corruption of `data.corrupt`",
        "attention": "what a trained network attends to in a record, over the section or the gather",
    },
    "benchmark": {
        "simulate": "`fwi simulate` against the bare wave equation; a GPU against what its memory can move",
        "load": "the loader against what a training step needs",
        "train": "the training step against plain PyTorch",
        "devices": "training on all devices against one of them",
        "physics": "error and cost of other orders, absorbing layers and time steps than the study's",
        "attention": "size, time and memory of each mechanism in each place of the network, against none",
        "refine": "gradients against those of bare deepwave; error against their number from several starts",
    },
    "sweep": {"ablation": "train variants that are given as files, several seeds of each, and compare them"},
    "config": {
        "show": "print the merged study as YAML; with `--model` the network instead, part by part",
        "validate": "list all mistakes, those that only training would notice among them",
        "schema": "print the JSON Schema of study files",
    },
    "completion": {
        "bash": "the script for bash",
        "zsh": "the script for zsh",
        "fish": "the script for fish",
    },
}
"""What each of the words does that a command takes first."""
