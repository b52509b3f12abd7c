"""Mathematics, and what is announced, in Chinese; what is missing here is said in English."""

from application.speech.english import ENGLISH
from application.speech.lexicon import Lexicon, read_table

CHINESE = Lexicon(
    read_table(
        """
+ = 加
- = 减
=  = 等于
< lt = 小于
> gt = 大于
* times cdot ast = 乘
/ div = 除以
: colon = 比
& = 和
geq ge geqslant = 大于等于
leq le leqslant = 小于等于
neq ne = 不等于
approx approxeq = 约等于
equiv = 恒等于
cong simeq = 全等于
sim = 相似于
propto = 正比于
ll = 远小于
gg = 远大于
coloneqq := = 定义为
pm = 正负
mp = 负正
infty = 无穷大
in = 属于
notin = 不属于
ni = 包含
subset = 真包含于
subseteq = 包含于
supset = 真包含
supseteq = 包含
cup = 并
cap = 交
setminus backslash = 减去
emptyset varnothing = 空集
forall = 对任意
exists = 存在
nexists = 不存在
neg lnot = 非
land wedge = 且
lor vee = 或
oplus = 直和
otimes = 张量积
circ = 复合
perp = 垂直于
parallel = 平行于
angle = 角
triangle = 三角形
mid = 满足
divides = 整除
to rightarrow longrightarrow xrightarrow hookrightarrow = 到
leftarrow gets = 来自
leftrightarrow = 对应
rightleftharpoons = 可逆地变为
Rightarrow implies Longrightarrow = 推出
Leftarrow impliedby = 由此推出
iff Leftrightarrow Longleftrightarrow = 当且仅当
mapsto = 映射到
therefore = 所以
because = 因为
partial = 偏
dot_product = 点乘
cross_product = 叉乘
map_from = 从
sum = 求和
prod = 求积
int = 积分
iint = 二重积分
iiint = 三重积分
oint = 环路积分
bigcup = 并集
bigcap = 交集
lim = 极限
max = 最大值
min = 最小值
sup = 上确界
inf = 下确界
sin = 正弦
cos = 余弦
tan = 正切
cot = 余切
log lg = 对数
ln = 自然对数
det = 行列式
dim = 维数
mod bmod = 模
dots ldots cdots vdots ddots dotsc dotsb = 等等
prime = 撇
reals = 实数集
naturals = 自然数集
integers = 整数集
rationals = 有理数集
complexes = 复数集
% = %
degree = 度
""",
        ENGLISH.signs,
    ),
    read_table(
        """
over = {1} 分之 {0}
long_over = {1} 分之 {0}
squared = {} 的平方
cubed = {} 的立方
power = {} 的 {} 次方
all = 括号 {} 括号
transpose = {} 转置
star = {} 星
degrees = {} 度
degrees_of = {} 度 {}
prime = {} 撇
double_prime = {} 两撇
inverse = {} 的逆
inverse_function = 反 {}
floor = {} 向下取整
ceiling = {} 向上取整
derivative = 对 {} 求导
factorial = {} 的阶乘
sub = {} {}
root = 根号 {}
cube_root = 三次根号 {}
nth_root = {} 次根号 {}
choose = {} 选 {}
from_to = {} 从 {} 到 {}
from = {} 在 {} 上
limit = {} 当 {} 时
approaches = 趋于
log_base = 以 {1} 为底的 {0}
of = {} {}
given = 在已知
absolute = {} 的绝对值
norm = {} 的范数
set = 集合 {}
quantity = 括号 {} 括号
times_quantity = 乘 括号 {} 括号
modulo = 模 {}
matrix = 矩阵 {}
cases = 分段 {}
hat = {} 帽
bar = {} 平均
tilde = {} 波浪
dot = {} 点
ddot = {} 两点
vector = 向量 {}
not = 非 {}
code_block = 这里是一段代码
code_block_in = 这里是一段 {} 代码
dot_in_address = 点
at_in_address = @
"""
    ),
)
