"""Twenty garden birds of the United Kingdom as data: shape, plumage and field marks of each.

Only numbers live here: `anatomy.py` says what they mean, `birds.py` draws them. Birds of several plumages have them
by sex, season or form.
"""

from collections.abc import Mapping

from trainables.data.anatomy import Mark, Pattern, Plumage, Shape, Species

GROUND = ("lawn", "lawn", "fence", "branch", "hedge", "snow", "blossom")
LARGE = ("lawn", "lawn", "fence", "wall", "branch", "snow")

WING_BAR = "33,40 40,36 46,0 44,-36 37,-40 40,0"
UPPER_BAR = "18,36 24,34 29,0 24,-36 16,-34 21,0"


def _feral(head: str, body: str, wing: str, bar: str) -> Plumage:
    return Plumage(
        upper=wing, breast=body, belly=body, head=head, coverts=wing, flight="#6c7078", edge="#878c95",
        tail="#5d626b", tail_side="#3b3e45", bill="#3b3a3d", leg="#b8443f", iris="#d8701f",
        gloss=("#3f7d63", "#74508a"),
        marks=(
            Mark("body", "#50806f", "125,75 75,100 40,105 45,60 85,30 130,35", soft=True),
            Mark("body", "#765f86", "140,40 62,42 55,10 80,-25 140,-20", soft=True),
            Mark("head", "#e9e6e2", "112,34 86,36 84,16 110,10"),
            Mark("wing", bar, "38,34 44,30 50,-5 46,-42 39,-42 43,-5"),
            Mark("wing", bar, "62,22 68,18 70,-5 63,-32 56,-34 63,-5"),
            Mark("tail", "#303238", "82,130 110,130 110,-130 82,-130"),
        ),
    )  # fmt: skip


def _chaffinch(crown: str, face: str, back: str, breast: str, belly: str) -> Plumage:
    return Plumage(
        upper=back, breast=breast, belly=belly, head=face, coverts="#3a3534", flight="#38322f",
        edge="#a3a06a", tail="#3b3738", tail_side="#f1efe8", bill="#7d8796", leg="#8b6b58",
        marks=(
            Mark("head", crown, "72,70 40,46 -10,36 -50,0 -70,-50 -140,-30 -120,80 -30,140 50,120"),
            Mark("body", "#71814f", "-30,90 -50,30 -120,10 -130,70", soft=True),
            Mark("wing", "#f5f2ea", "8,36 26,36 30,0 24,-30 10,-20"),
            Mark("wing", "#f3efdd", "38,40 47,36 51,0 49,-38 42,-40 44,0"),
        ),
    )  # fmt: skip


BIRDS: Mapping[str, Species] = {
    "House_Sparrow": Species(
        Shape(0.70, 0.50, (0.76, 0.50), 30, (0.52, 0.46, 0.06), (0.95, 0.34, -0.1), 0.42, 0.84),
        (
            Plumage(  # male
                upper="#8a5a34", breast="#a9a39a", belly="#b9b2a8", head="#8b4a25", coverts="#8c4d27",
                flight="#4a3a2e", edge="#b98e60", tail="#594838", tail_side="#7d6750", bill="#2e2a29",
                leg="#a5745f",
                marks=(
                    Mark("head", "#d9d5cc", "35,2 0,0 -55,-10 -60,-70 10,-100 50,-60"),
                    Mark("head", "#7d7c7c", "110,50 70,44 10,50 -50,62 -60,120 40,140 110,100"),
                    Mark("head", "#171413", "120,20 60,16 32,2 45,-40 5,-100 50,-160 140,-120"),
                    Mark("body", "#1d1917", "130,50 86,35 72,5 80,-30 130,-30"),
                    Mark("wing", "#f2ede2", "22,34 30,32 34,0 28,-36 20,-34 26,0"),
                ),
                patterns=(Pattern("body", "#2d211a", (-0.75, 0.55, 0.50, 0.95), 7, 3, 0.26, 0.07),),
            ),
            Plumage(  # female
                upper="#9a7a55", breast="#bdad96", belly="#c6baa6", head="#98805f", coverts="#8d6c48",
                flight="#57473a", edge="#c3a378", tail="#65533f", tail_side="#8b7558", bill="#a98b62",
                leg="#a5745f",
                marks=(
                    Mark("head", "#d8c298", "35,44 0,48 -80,36 -80,18 0,24 30,22"),
                    Mark("head", "#6f5a41", "30,22 -20,20 -90,14 -90,0 -20,4 30,10"),
                    Mark("wing", "#e7dcc4", UPPER_BAR),
                ),
                patterns=(Pattern("body", "#3a2d22", (-0.75, 0.55, 0.50, 0.95), 7, 3, 0.26, 0.07),),
            ),
        ),
        ("hedge", "fence", "feeder", "lawn", "branch", "pot", "snow"),
    ),
    "Bluetit": Species(
        Shape(0.74, 0.54, (0.70, 0.48), 34, (0.34, 0.26, 0.04), (0.88, 0.26, -0.15), 0.40, 0.78),
        (
            Plumage(
                upper="#7f9a53", breast="#f0d13f", belly="#f2dc62", head="#f5f5f0", coverts="#3c7fc4",
                flight="#3a5f8f", edge="#86b0d8", tail="#3f76b4", tail_side="#5b93cc", bill="#2a2b30",
                leg="#5d6f86",
                marks=(
                    Mark("body", "#f6efb5", "10,-70 -50,-40 -110,-30 -90,-120 -10,-130", soft=True),
                    Mark("head", "#3a86d2", "62,78 30,50 -30,46 -75,58 -70,110 0,140 50,120"),
                    Mark("head", "#1d2c55", "-70,32 -92,-55 -55,-86 35,-95 30,-118 -75,-115 -150,-40 -130,50"),
                    Mark("head", "#1b2440", "105,18 40,24 -30,22 -115,25 -115,2 -30,6 40,6 105,6"),
                    Mark("head", "#1b2344", "120,0 86,-18 62,-42 45,-100 70,-130 130,-90"),
                    Mark("wing", "#f4f6f4", WING_BAR),
                ),
            ),
        ),
        ("feeder", "feeder", "branch", "blossom", "blossom", "hedge", "snow", "pot"),
    ),
    "Starling": Species(
        Shape(0.62, 0.40, (0.86, 0.50), 30, (0.98, 0.34, 0.02), (0.66, 0.36, 0.0), 0.50, 0.90, wing=(1.70, 0.66)),
        (
            Plumage(  # breeding: glossy, few spots
                upper="#23282f", breast="#2a2740", belly="#25262c", head="#2c2438", coverts="#2b3538",
                flight="#332c2a", edge="#8d6c49", tail="#2e2926", tail_side="#4c3f34", bill="#e8c337",
                leg="#b0563e", gloss=("#2f7a5b", "#6a3f8e", "#2f5f8f"),
                marks=(Mark("body", "#28594c", "60,90 30,20 -40,10 -90,40 -50,120 40,130", soft=True),),
                patterns=(
                    Pattern("body", "#d9c39a", (-0.75, 0.55, 0.30, 0.92), 9, 4, 0.07, 0.05),
                    Pattern("body", "#b9b3ae", (-0.6, 0.2, -0.85, -0.4), 6, 3, 0.06, 0.04),
                ),
            ),
            Plumage(  # winter: spangled with white
                upper="#2b2a2c", breast="#2b2a36", belly="#2b2a2e", head="#3a3338", coverts="#2f3233",
                flight="#3a302b", edge="#b58a5a", tail="#332c28", tail_side="#5d4a3a", bill="#4a4038",
                leg="#a0553f", gloss=("#2f6a55", "#5c4080"),
                patterns=(
                    Pattern("body", "#f1ead9", (-0.70, 1.0, -0.92, 0.25), 13, 8, 0.075, 0.055),
                    Pattern("body", "#d8b884", (-0.75, 0.6, 0.32, 0.94), 10, 4, 0.08, 0.06),
                    Pattern("head", "#e9dcc2", (-0.9, 0.9, -0.8, 0.85), 8, 7, 0.10, 0.08),
                ),
            ),
        ),
        ("lawn", "lawn", "fence", "wall", "feeder", "branch", "snow"),
    ),
    "Wood_Pigeon": Species(
        Shape(0.64, 0.31, (0.98, 0.72), 20, (0.72, 0.44, 0.14), (1.05, 0.42, 0.1), 0.34, 1.0,
            wing=(1.86, 0.74), eye=0.16),
        (
            Plumage(
                upper="#8d929a", breast="#c49a9a", belly="#cbbcbc", head="#8793a3", coverts="#9298a0",
                flight="#5c6069", edge="#8d929a", tail="#777d87", tail_side="#6c727c", bill="#dd8a3d",
                leg="#c8574f", iris="#f0e6a6", gloss=(),
                marks=(
                    Mark("body", "#b98f9a", "150,20 75,35 50,-10 35,-70 80,-130 150,-90", soft=True),
                    Mark("body", "#7aa08f", "98,140 78,140 74,105 100,100", soft=True),
                    Mark("body", "#f7f6f2", "98,102 74,108 60,84 76,68 98,78"),
                    Mark("head", "#eae6e0", "110,30 88,36 84,12 108,6"),
                    Mark("wing", "#f6f5f0", "2,-12 12,-36 36,-50 60,-42 58,-33 34,-38 15,-24"),
                    Mark("tail", "#2c2e33", "72,140 120,140 120,-140 72,-140"),
                ),
            ),
        ),
        (*LARGE, "feeder"),
    ),
    "Blackbird": Species(
        Shape(0.58, 0.40, (0.86, 0.50), 24, (0.74, 0.34, 0.05), (1.20, 0.36, 0.12), 0.52, 0.92, cock=8),
        (
            Plumage(  # male
                upper="#232226", breast="#201f23", belly="#242327", head="#1f1e22", coverts="#232227",
                flight="#2a282c", edge="#3d3a3f", tail="#222125", tail_side="#2c2a2f", bill="#f0a01f",
                leg="#4a3a32", eye_ring="#f2ae2c",
            ),
            Plumage(  # female
                upper="#5a4433", breast="#7e5f46", belly="#6b5443", head="#5f4936", coverts="#594333",
                flight="#4d3a2d", edge="#75593f", tail="#4b392c", tail_side="#5a4535", bill="#a9803f",
                leg="#5b4636", eye_ring="#a2834a",
                marks=(Mark("head", "#a38b72", "110,-20 60,-35 25,-80 50,-140 120,-110", soft=True),),
                patterns=(Pattern("body", "#47352a", (0.1, 0.95, -0.80, 0.1), 8, 6, 0.11, 0.06),),
            ),
        ),
        GROUND,
    ),
    "Robin": Species(
        Shape(0.76, 0.52, (0.70, 0.52), 36, (0.46, 0.20, 0.03), (0.84, 0.26, -0.05), 0.54, 0.80, cock=6, eye=0.20),
        (
            Plumage(
                upper="#85704c", breast="#e2682a", belly="#f0ebe0", head="#83704f", coverts="#7a6747",
                flight="#64543d", edge="#9a8660", tail="#6f5c42", tail_side="#83694a", bill="#33291f",
                leg="#7d5640",
                marks=(
                    Mark("body", "#87939d", "150,90 70,95 44,62 26,22 8,-30 14,-62 50,-90 150,-90"),
                    Mark("head", "#83704f", "130,44 85,42 30,40 -10,20 -50,-60 -150,-20 -120,110 0,150 110,110"),
                    Mark("head", "#87939d", "100,50 40,50 0,30 -18,-10 -42,-80 0,-170 60,-130"),
                    Mark("body", "#e2662a", "150,90 95,100 62,62 40,16 26,-28 34,-58 62,-80 150,-85"),
                    Mark("head", "#e4672a", "130,30 86,42 38,38 10,12 -6,-30 -25,-90 10,-170 120,-160"),
                ),
            ),
        ),
        ("pot", "branch", "hedge", "snow", "snow", "lawn", "fence", "blossom", "feeder"),
    ),
    "Goldfinch": Species(
        Shape(0.68, 0.49, (0.76, 0.50), 32, (0.58, 0.36, 0.02), (0.88, 0.28, -0.25), 0.38, 0.78),
        (
            Plumage(
                upper="#a9794b", breast="#c89e6d", belly="#f3ece0", head="#f4eee2", coverts="#1d1b1c",
                flight="#1c1a1b", edge="#2a2726", tail="#1d1b1c", tail_side="#f0ece4", bill="#e6cdb0",
                leg="#b9907c",
                marks=(
                    Mark("body", "#efe6d6", "20,-20 -60,-20 -120,-20 -90,-130 30,-130", soft=True),
                    Mark("head", "#191718", "25,140 12,60 -28,52 -45,10 -52,-55 -95,-75 -112,10 -120,90 -40,140"),
                    Mark("head", "#c9252b", "130,70 66,90 16,60 14,10 34,-42 78,-66 130,-40"),
                    Mark("head", "#1c1718", "110,22 75,22 45,20 45,8 80,0 110,0"),
                    Mark("wing", "#f6c816", "36,20 50,22 80,4 86,-4 62,-34 40,-42 40,-10"),
                ),
                patterns=(Pattern("wing", "#f5f0e6", (0.90, 1.0, -0.06, 0.10), 2, 2, 0.05, 0.10),),
            ),
        ),
        ("feeder", "branch", "blossom", "hedge", "lawn", "fence"),
    ),
    "Great_Tit": Species(
        Shape(0.70, 0.50, (0.74, 0.50), 34, (0.42, 0.28, 0.02), (0.98, 0.28, -0.12), 0.42, 0.82),
        (
            Plumage(
                upper="#748a48", breast="#ecd03c", belly="#efd955", head="#15181f", coverts="#5f7f9c",
                flight="#45566b", edge="#8fa9c2", tail="#4f6d8c", tail_side="#e6ebee", bill="#20201f",
                leg="#5f6b7d", gloss=(),
                marks=(
                    Mark("body", "#13161b", "150,40 98,25 72,-20 45,-66 0,-86 -30,-88 0,-130 100,-120 150,-60"),
                    Mark("head", "#11141a", "120,-5 80,-22 55,-50 35,-95 70,-150 130,-120"),
                    Mark("head", "#f6f6f1", "50,-8 12,0 -40,-2 -78,-24 -60,-66 -5,-82 36,-60"),
                                        Mark("wing", "#f2f4f2", WING_BAR),
                ),
            ),
        ),
        ("feeder", "feeder", "branch", "blossom", "hedge", "snow", "pot"),
    ),
    "Magpie": Species(
        Shape(0.60, 0.40, (0.86, 0.50), 20, (0.72, 0.42, 0.10), (2.05, 0.44, 0.18), 0.58, 1.0, cock=6,
            wing=(1.72, 0.74)),
        (
            Plumage(
                upper="#15161b", breast="#16161b", belly="#f5f5f2", head="#131419", coverts="#16181f",
                flight="#1f4f7c", edge="#3f8fb5", tail="#153c40", tail_side="#1f6a58", bill="#17171a",
                leg="#1c1b1d", gloss=("#24506e", "#2d3f6e"),
                marks=(
                    Mark("body", "#fafaf7", "50,-20 42,-62 55,-130 -55,-130 -85,-70 -50,-10"),
                    Mark("body", "#141519", "-62,20 -72,-40 -66,-120 -140,-100 -140,40"),
                    Mark("wing", "#fbfbf8", "2,20 20,44 42,42 46,26 26,10 8,4"),
                    Mark("tail", "#2b2f5c", "80,130 120,130 120,-130 80,-130"), Mark("tail", "#191b26",
                        "91,130 120,130 120,-130 91,-130"),
                ),
            ),
        ),
        LARGE,
    ),
    "Long_Tailed_Tit": Species(
        Shape(0.84, 0.58, (0.60, 0.48), 34, (0.20, 0.24, 0.08), (2.1, 0.24, 0.2), 0.34, 0.9,
            wing=(1.48, 0.62), eye=0.17),
        (
            Plumage(
                upper="#2a2526", breast="#f4efec", belly="#efdcd8", head="#f6f3ef", coverts="#2b2728",
                flight="#3a3434", edge="#e8e2dc", tail="#1d1b1d", tail_side="#f2efeb", bill="#1e1b1b",
                leg="#4b3b38", eye_ring="#d98a78",
                marks=(
                    Mark("body", "#d9a3a3", "-30,0 -20,-80 -50,-130 -130,-80 -120,10", soft=True),
                    Mark("body", "#cf8f93", "55,62 10,30 -50,25 -110,15 -100,75 -20,72"),
                    Mark("head", "#1f1b1d", "62,58 25,42 -30,30 -90,0 -150,-40 -160,50 -80,72 -10,74 40,76"),
                ),
            ),
        ),
        ("branch", "hedge", "blossom", "feeder", "snow", "branch"),
    ),
    "Chaffinch": Species(
        Shape(0.66, 0.48, (0.78, 0.50), 30, (0.52, 0.40, 0.04), (1.05, 0.30, -0.2), 0.42, 0.84),
        (
            _chaffinch("#7189a6", "#c4765a", "#8f5a3f", "#cf8468", "#dfb6a2"),
            _chaffinch("#8c8062", "#a3947a", "#857451", "#b9ab93", "#cfc5b3"),
        ),
        ("lawn", "lawn", "branch", "hedge", "feeder", "blossom", "fence", "snow"),
    ),
    "Dunnock": Species(
        Shape(0.66, 0.46, (0.78, 0.46), 20, (0.46, 0.22, 0.02), (0.95, 0.30, -0.05), 0.42, 0.86, cock=6),
        (
            Plumage(
                upper="#7f5a3a", breast="#868c94", belly="#b0aca6", head="#838990", coverts="#785335",
                flight="#5b4330", edge="#a87b52", tail="#624c39", tail_side="#745a43", bill="#2d2726",
                leg="#b0735a", iris="#6b3520",
                marks=(
                    Mark("head", "#79664f", "75,70 40,55 -30,50 -110,25 -130,90 0,140 60,120", soft=True),
                    Mark("head", "#80644a", "35,2 0,10 -50,10 -70,-20 -20,-42 25,-28", soft=True),
                ),
                patterns=(
                    Pattern("body", "#33241a", (-0.8, 0.6, 0.42, 0.95), 8, 4, 0.24, 0.075),
                    Pattern("body", "#6f5138", (-0.75, 0.1, -0.55, -0.1), 6, 3, 0.24, 0.06),
                    Pattern("wing", "#33251b", (0.08, 0.40, -0.36, 0.3), 4, 4, 0.13, 0.06),
                ),
            ),
        ),
        ("lawn", "lawn", "hedge", "branch", "fence", "pot", "snow"),
    ),
    "Jackdaw": Species(
        Shape(0.58, 0.43, (0.86, 0.54), 24, (0.62, 0.42, 0.10), (1.02, 0.38, 0.1), 0.50, 0.95,
            wing=(1.82, 0.70), eye=0.145),
        (
            Plumage(
                upper="#2a2b31", breast="#3a3a40", belly="#393a40", head="#3a3a40", coverts="#292b33",
                flight="#24262d", edge="#3d424f", tail="#232429", tail_side="#2d2e35", bill="#1b1b1e",
                leg="#202023", iris="#c4d0d8", gloss=("#33405f", "#44415e"),
                marks=(
                    Mark("head", "#8b8e96", "5,55 -20,-10 -35,-80 -90,-130 -150,-40 -120,70 -50,100", soft=True),
                    Mark("head", "#17181c", "130,50 100,-40 62,-30 26,0 0,45 -45,70 -30,140 70,130"),
                ),
            ),
        ),
        (*LARGE, "feeder"),
    ),
    "Feral_Pigeon": Species(
        Shape(0.64, 0.32, (0.94, 0.72), 22, (0.66, 0.34, 0.10), (0.90, 0.42, 0.1), 0.36, 0.96,
            wing=(1.86, 0.72), eye=0.19),
        (
            _feral("#56606d", "#7d8692", "#a9b0b8", "#26272c"),
            _feral("#4a525e", "#5f6670", "#7b828b", "#25262a"),
            _feral("#8d5f4a", "#a98674", "#c1aca0", "#7f4c38"),
        ),
        ("lawn", "lawn", "fence", "wall", "pot", "feeder"),
    ),
    "Collared_Dove": Species(
        Shape(0.60, 0.31, (0.94, 0.70), 22, (0.60, 0.28, 0.08), (1.25, 0.36, 0.1), 0.32, 0.92,
            wing=(1.84, 0.66), eye=0.19),
        (
            Plumage(
                upper="#b9a68f", breast="#d6bdb3", belly="#d9cfc4", head="#d0beb3", coverts="#b8a791",
                flight="#6f675f", edge="#8d8377", tail="#a3937f", tail_side="#ece7df", bill="#3c3a3a",
                leg="#a8504c", iris="#7d1f1a",
                marks=(
                    Mark("body", "#f0ece6", "98,106 66,108 46,86 50,74 72,92 98,90"),
                    Mark("body", "#1d1b1b", "94,100 68,104 50,84 54,78 72,93 94,92"),
                    Mark("wing", "#bcc1c6", "6,-20 20,-40 46,-44 50,-26 20,-16", soft=True),
                ),
            ),
        ),
        ("fence", "branch", "lawn", "wall", "feeder", "blossom"),
    ),
    "Carrion_Crow": Species(
        Shape(0.58, 0.40, (0.90, 0.50), 20, (0.92, 0.52, 0.16), (1.15, 0.42, 0.2), 0.58, 1.0,
            wing=(1.92, 0.72), eye=0.14),
        (
            Plumage(
                upper="#22242c", breast="#1d1e24", belly="#18191d", head="#16171b", coverts="#24272f",
                flight="#20222a", edge="#4a5163", tail="#17181d", tail_side="#20222a", bill="#121215",
                leg="#151518", gloss=("#2b3450", "#352f4c"),
            ),
        ),
        LARGE,
    ),
    "Coal_Tit": Species(
        Shape(0.74, 0.56, (0.68, 0.46), 32, (0.36, 0.22, 0.02), (0.72, 0.24, -0.15), 0.38, 0.74),
        (
            Plumage(
                upper="#7d8288", breast="#e3d8c2", belly="#d9bf98", head="#14151a", coverts="#6f767e",
                flight="#565b61", edge="#8a9096", tail="#5e646b", tail_side="#757b82", bill="#1a1a1b",
                leg="#5d6673",
                marks=(
                    Mark("head", "#f7f6f1", "-62,62 -60,10 -85,-50 -130,-40 -120,60"),
                    Mark("head", "#12131a", "130,-5 70,-15 40,-60 0,-120 50,-170 140,-120"),
                    Mark("head", "#f7f6f2", "56,-6 12,2 -36,0 -62,-26 -62,-80 -20,-100 26,-72"),
                    Mark("wing", "#f3f2ee", WING_BAR),
                    Mark("wing", "#f3f2ee", UPPER_BAR),
                ),
            ),
        ),
        ("feeder", "branch", "hedge", "blossom", "snow", "pot"),
    ),
    "Greenfinch": Species(
        Shape(0.72, 0.50, (0.76, 0.50), 30, (0.56, 0.52, 0.04), (0.84, 0.30, -0.25), 0.40, 0.86),
        (
            Plumage(
                upper="#7c8a45", breast="#a9b444", belly="#c6c45c", head="#8d9a4c", coverts="#7e8a5c",
                flight="#5b5d57", edge="#9aa08a", tail="#4c4a45", tail_side="#e5cc2f", bill="#e3c4b2",
                leg="#c08f7d",
                marks=(
                    Mark("head", "#5f6a3e", "95,30 50,28 30,8 70,-2 100,6", soft=True),
                    Mark("head", "#9a9d7e", "10,0 -40,0 -70,-40 -20,-60 20,-40", soft=True),
                    Mark("wing", "#f0d31f", "52,-26 72,-14 98,2 94,-10 74,-34 54,-44"),
                    Mark("tail", "#e8cf2c", "10,-120 10,-45 62,-50 62,-130"),
                ),
            ),
        ),
        ("feeder", "hedge", "branch", "blossom", "fence", "lawn"),
    ),
    "Wren": Species(
        Shape(0.80, 0.52, (0.67, 0.52), 24, (0.60, 0.18, 0.10), (0.82, 0.26, 0.15), 0.40, 0.74, cock=78,
            wing=(1.28, 0.70)),
        (
            Plumage(
                upper="#8e5c34", breast="#c6a27a", belly="#ae8156", head="#86572f", coverts="#84522d",
                flight="#7c5130", edge="#a9784a", tail="#84542f", tail_side="#94633b", bill="#4a382b",
                leg="#a67658",
                marks=(
                    Mark("head", "#c9ad85", "110,-10 40,-8 -10,-40 0,-120 60,-150 120,-100", soft=True),
                    Mark("head", "#ecd9b4", "95,34 50,46 0,46 -65,34 -70,26 0,33 50,33 95,26"),
                    Mark("head", "#5d3b22", "100,20 40,20 -70,18 -70,6 40,4 100,10"),
                ),
                patterns=(
                    Pattern("body", "#6a4222", (-0.85, 0.45, 0.20, 0.92), 10, 4, 0.03, 0.17),
                    Pattern("body", "#80562f", (-0.85, -0.05, -0.85, -0.25), 8, 4, 0.03, 0.17),
                    Pattern("wing", "#54331c", (0.25, 0.92, -0.32, 0.24), 9, 4, 0.028, 0.13),
                    Pattern("tail", "#4a2c18", (0.2, 0.95, -0.7, 0.7), 6, 3, 0.05, 0.5),
                ),
            ),
        ),
        ("pot", "hedge", "hedge", "branch", "fence", "snow", "blossom"),
    ),
    "Song_Thrush": Species(
        Shape(0.62, 0.42, (0.84, 0.52), 30, (0.62, 0.30, 0.05), (0.98, 0.32, 0.0), 0.54, 0.90, eye=0.20),
        (
            Plumage(
                upper="#8f7350", breast="#f0dfb8", belly="#f6f1e4", head="#8e7454", coverts="#8a6e4b",
                flight="#75603f", edge="#a78d62", tail="#7c6446", tail_side="#8d7350", bill="#5c4a38",
                leg="#d3a58d",
                marks=(
                    Mark("head", "#efe3c6", "120,-5 70,-18 15,-40 -10,-90 20,-160 120,-130"),
                    Mark("head", "#c8b48e", "35,0 -10,2 -60,-20 -40,-60 15,-50", soft=True),
                    Mark("head", "#5a4430", "90,-16 35,-42 0,-80 -10,-95 5,-95 42,-52 90,-24"),
                    Mark("wing", "#b59663", "30,38 33,36 38,0 34,-38 31,-38 35,0"),
                ),
                patterns=(
                    Pattern("body", "#3c2c1f", (-0.55, 1.1, -0.92, 0.12), 12, 7, 0.10, 0.085),
                    Pattern("head", "#4a3626", (-0.1, 0.7, -1.25, -0.55), 4, 4, 0.16, 0.13),
                ),
            ),
        ),
        ("lawn", "lawn", "branch", "hedge", "blossom", "fence", "snow"),
    ),
}  # fmt: skip
